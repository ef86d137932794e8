"""Log lines: time, level, protocol, stream key, peer, message; readable, one line each, and without secrets.

The package logs through the standard library; whoever embeds it decides where that goes. The `arcly` command sends it
to standard error through `LogLines`. A record's protocol, key and peer come as `extra`, see `about`.
"""

import datetime as dt
import logging
import re
from typing import Final

from rich.console import Console
from rich.text import Text

from arcly_actors import limits
from arcly_actors.cli.terminal import errors
from arcly_actors.errors import ArclyError
from arcly_actors.runtime.receiver import Killed
from arcly_actors.runtime.supervisor import IntensityExceeded

PACKAGE: Final = "arcly_actors"
MASK: Final = "***"

_NAMES: Final = "token|passphrase|password|passwd|pass|secret|authorization|signature|access_key|api_key|apikey|auth"
# `token=…` in a query, `"token": "…"` in a dump, `Authorization: Bearer …` in a header; up to what ends the value.
_ASSIGNED: Final = re.compile(
    rf"(?i)(?<![a-z])((?:[a-z]+[_-])?(?:{_NAMES}))(%3d|[\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(\"[^\"]*\"|'[^']*'|[^\s&\"',;)}}\]]+)"
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+@")
_STYLES: Final = {
    logging.DEBUG: "dim",
    logging.INFO: "green",
    logging.WARNING: "yellow",
    logging.ERROR: "bold red",
    logging.CRITICAL: "bold white on red",
}
_FAILED: Final = re.compile(r"Unhandled exception in (\w+) \(urn:uuid:[0-9a-f-]+\):")
# Raised on purpose, or because of a failure that has been logged: the text is enough.
_SAYS_ALL: Final = (ArclyError, IntensityExceeded, Killed)
_COLUMNS: Final = (("protocol", "magenta"), ("key", "bold cyan"), ("peer", "blue"))


def about(*, protocol: str = "", key: object = "", peer: str = "") -> dict[str, str]:
    """The `extra` of a log call: ``log.info("published", extra=about(protocol="rtmp", key=key, peer=peer))``."""
    return {"protocol": protocol, "key": str(key), "peer": peer}


def masked(text: str) -> str:
    """`text` with the values of tokens, pass phrases and URL passwords replaced by ``***``."""
    return _USER_INFO.sub(f"{MASK}@", _ASSIGNED.sub(rf"\1\2{MASK}", text))


def clean(text: str) -> str:
    """`text` on one line of bounded length: what a peer sent can neither forge a line nor drive the terminal."""
    bound = limits.LOG_CHARACTERS
    text = text if len(text) <= bound else f"{text[:bound]}… ({len(text) - bound} more)"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def line_of(record: logging.LogRecord) -> Text:
    """`record` as a coloured line, followed by its traceback, if it has one, indented."""
    when = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).astimezone()
    line = Text.assemble((f"{when:%H:%M:%S}.{when.microsecond // 1000:03d} ", "dim"))
    line.append(f"{record.levelname:<7} ", style=_STYLES.get(record.levelno, ""))
    for name, style in _COLUMNS:
        if value := getattr(record, name, ""):
            line.append(f"{clean(masked(str(value)))} ", style=style)
    line.append(clean(masked(_message(record))), style="")
    if record.exc_info and not isinstance(record.exc_info[1], _SAYS_ALL):
        for each in logging.Formatter().formatException(record.exc_info).splitlines():
            line.append(f"\n    {clean(masked(each))}", style="dim")
    return line


def _message(record: logging.LogRecord) -> str:
    """What happened. Pykka's record of an actor's failure is put in our words; some errors need no traceback."""
    text = record.getMessage()
    if failed := _FAILED.fullmatch(text):
        text = f"{failed[1]} failed"
    error = record.exc_info[1] if record.exc_info else None
    return f"{text}: {error}" if isinstance(error, _SAYS_ALL) else text


class LogLines(logging.Handler):
    """Writes records as `line_of` has them."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or errors()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a failure is the logging module's to report, never the caller's."""
        try:
            self._console.print(line_of(record), soft_wrap=True)
        except Exception:  # noqa: BLE001 - the contract of logging: a log call does not raise
            self.handleError(record)


def start_logging(level: int = logging.INFO, console: Console | None = None) -> LogLines:
    """Send the package's records from `level` on, and other libraries' warnings, to `console` (standard error)."""
    lines = LogLines(console)
    root = logging.getLogger()
    root.addHandler(lines)
    root.setLevel(logging.WARNING)
    logging.getLogger(PACKAGE).setLevel(level)
    return lines


def stop_logging(lines: LogLines) -> None:
    """Take `lines` away again."""
    logging.getLogger().removeHandler(lines)
