"""An SRT URL: ``srt://host:port?mode=caller|listener|rendezvous&streamid=…&passphrase=…&latency=…``.

The words are those of ``srt-live-transmit``, and times are milliseconds as there (FFmpeg counts in microseconds). Without
a mode a URL with a host calls, and one without (``srt://:8890``) listens. What is not known here is a mistake.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self
from urllib.parse import unquote

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, Clock, Entropy
from arcly_actors.errors import ConfigurationError
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.caller import Call, SingleConnection, SrtCaller
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.fec_plan import FecPlan, settings
from arcly_actors.protocols.srt.keys import KEY_SIZES, Ciphers
from arcly_actors.protocols.srt.listener import SrtListener
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.rendezvous import SrtRendezvous
from arcly_actors.protocols.srt.seed import Seed

_WORDS: Final = (
    *("mode", "streamid", "passphrase", "pbkeylen", "latency", "adapter", "kmrefreshrate", "kmpreannounce"),
    "packetfilter",
)


class Mode(StrEnum):
    """Who opens the connection."""

    CALLER = "caller"
    LISTENER = "listener"
    RENDEZVOUS = "rendezvous"


@dataclass(frozen=True, slots=True)
class SrtTarget:
    """What a URL says. `adapter` is the local address to use, empty for any."""

    mode: Mode
    host: str
    port: int
    stream_id: str = ""
    adapter: str = ""
    terms: Terms = field(default_factory=Terms)

    @classmethod
    def of(cls, host: str, port: int | None, query: str) -> Self:
        """Read it; ConfigurationError, which repeats no value, says what is wrong and what would be right."""
        said: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            word, _, value = part.partition("=")
            if word not in _WORDS:
                raise ConfigurationError(f"{word[:20]!r} is no option of an SRT URL here; there are {', '.join(_WORDS)}")
            said[word] = unquote(value)
        if port is None:
            raise ConfigurationError("an SRT URL needs a port")
        try:
            mode = Mode(said.get("mode", Mode.CALLER if host else Mode.LISTENER))
        except ValueError:
            raise ConfigurationError(f"the mode of an SRT URL is one of {', '.join(Mode)}") from None
        if not host and mode is not Mode.LISTENER:
            raise ConfigurationError(f"an SRT URL that is a {mode} needs a host")
        if len(said.get("streamid", "").encode()) > limits.SRT_STREAM_ID:
            raise ConfigurationError(f"a stream id has at most {limits.SRT_STREAM_ID} bytes")
        return cls(mode, host, port, said.get("streamid", ""), said.get("adapter", ""), _terms(said))

    @property
    def local(self) -> tuple[str, int]:
        """Where to bind: for a listener its own address, for a rendezvous the port that the other end calls."""
        if self.mode is Mode.LISTENER:
            return self.host, self.port
        return self.adapter, self.port if self.mode is Mode.RENDEZVOUS else 0

    @property
    def remote(self) -> tuple[str, int] | None:
        """Whom to call; None for a listener."""
        return None if self.mode is Mode.LISTENER else (self.host, self.port)

    def connect(
        self, ciphers: Ciphers, entropy: Entropy, clock: Clock, peer: Hashable
    ) -> tuple[SingleConnection | SrtListener, SrtEngine | None]:
        """What tells its connections apart, and the one that begins at once: there is none when it listens.

        `peer` is where the host is.
        """
        secret, now = entropy.random_bytes(32), clock.monotonic_ns()
        if self.mode is Mode.LISTENER:
            return SrtListener(self._admit, ciphers, secret, half_open=2), None
        seed = Seed(secret)
        engine: SrtEngine
        if self.mode is Mode.CALLER:
            engine = SrtCaller(Call(self.stream_id, self.terms), peer, ciphers, seed, now)
        else:
            patience = limits.SRT_RENDEZVOUS_TIMEOUT
            engine = SrtRendezvous(self.terms, peer, ciphers, seed, now, stream_id=self.stream_id, patience=patience)
        return SingleConnection(engine), engine

    def _admit(self, stream_id: str) -> Terms:
        if self.stream_id and stream_id != self.stream_id:
            raise Rejected(Reject.NOT_FOUND, "another stream id is expected here")
        return self.terms


def _terms(said: dict[str, str]) -> Terms:
    passphrase = said.get("passphrase", "")
    least, most = limits.SRT_PASSPHRASE
    if passphrase and not least <= len(passphrase.encode()) <= most:
        raise ConfigurationError(f"a passphrase of SRT has {least} to {most} bytes")
    size = _number(said, "pbkeylen", 0, 32) or 16
    if size not in KEY_SIZES:
        raise ConfigurationError("pbkeylen is 16, 24 or 32")
    longest = limits.SRT_MAX_LATENCY // NS_PER_MS
    latency = _number(said, "latency", limits.SRT_LATENCY // NS_PER_MS, longest) * NS_PER_MS
    terms = Terms(
        latency, passphrase, size, send_latency=latency if "latency" in said else 0, packet_filter=_filter(said)
    )
    refresh = _number(said, "kmrefreshrate", terms.refresh, 1 << 31)
    return replace(terms, refresh=max(refresh, 8), announce=_number(said, "kmpreannounce", terms.announce, 1 << 30))


def _filter(said: dict[str, str]) -> str:
    text = said.get("packetfilter", "")
    try:
        if text and "cols" in settings(text):
            FecPlan.of(text)
    except Rejected as rejected:
        raise ConfigurationError(f"packetfilter: {rejected}") from None
    return text


def _number(said: dict[str, str], word: str, otherwise: int, most: int) -> int:
    text = said.get(word, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) <= most):
        unit = " of milliseconds" if word == "latency" else ""
        raise ConfigurationError(f"{word} is a number{unit}, at most {most}")
    return int(text)
