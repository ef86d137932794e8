"""The line at the bottom of a terminal: what the server is doing now. There is none in a pipe."""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from arcly_actors.bus.report import StreamReport
from arcly_actors.clock import NS_PER_S, Clock


def status_text(reports: Iterable[StreamReport], up_ns: int) -> str:
    """``2 streams (1 held) · 5 viewers · 2.6 Mb/s in · up 0:01:10``."""
    streams = tuple(reports)
    held = sum(report.state == "held" for report in streams)
    viewers = sum(len(report.seats) for report in streams)
    rate = sum(report.qos.bit_rate for report in streams if report.state != "held") / 1e6
    minutes, seconds = divmod(up_ns // NS_PER_S, 60)
    parts = (
        _counted(len(streams), "stream") + (f" ({held} held)" if held else ""),
        _counted(viewers, "viewer"),
        f"{rate:.1f} Mb/s in",
        f"up {minutes // 60}:{minutes % 60:02d}:{seconds:02d}",
    )
    return " · ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


class StatusLine:
    """A live line under the log lines that go to the same console; a context manager that leaves nothing behind."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic_ns()
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            # Streams are not redirected: nothing but the log writes here, and that goes through this console.
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, reports: Callable[[], Iterable[StreamReport]]) -> None:
        """Draw the figures of now; they are not asked for where nobody sees them."""
        if self._live is not None:
            text = status_text(reports(), self._clock.monotonic_ns() - self._since)
            self._live.update(Text(text, style="reverse", no_wrap=True, overflow="ellipsis"), refresh=True)

    def clear(self) -> None:
        """Take the line away, and give the terminal its cursor back."""
        if self._live is not None:
            self._live.stop()
