"""A WebRTC session with a tape at it; see `transport.taped_session`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcly_actors.script.taped_datagrams import Recorded

if TYPE_CHECKING:
    from arcly_actors.script.tape import Tape

_INCOMING = frozenset({"connected", "rtp-in", "rtcp-in", "closed"})
"""What may come within a few turns of the loop after something else, so that the order matters."""


@dataclass(frozen=True, slots=True)
class SessionTap:
    """Implements `runtime.seams.SessionNote`: `opener` is the HTTP connection that opened the session."""

    who: str
    key: str
    tape: "Tape"
    opener: Recorded

    @property
    def tapes(self) -> "tuple[Tape, ...]":
        """See `SessionNote.tapes`."""
        return (self.tape,)

    def put(self, kind: str, data: bytes | None = None, at: int | None = None, **fields: Any) -> None:
        """See `SessionNote.put`."""
        told = {"who": self.who, **({"key": self.key} if kind == "session" else {}), **fields}
        (self.tape.came if kind in _INCOMING else self.tape.put)(self.opener, kind, told, data, at)
