"""What an SRT engine tells its session, and what the session may have it do."""

from dataclasses import dataclass
from typing import TypeAlias

from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.srt.reject import Reject


@dataclass(frozen=True, slots=True)
class Train:
    """An output: datagrams to send, of `step` bytes each and the last one perhaps shorter, one behind another."""

    data: bytes
    step: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A caller wants to connect, and has the right passphrase: answer with `Accept` or `Refuse`."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class Established:
    """Both sides agree; latencies in ns: of what we receive, and of what the peer does."""

    receive_latency: int
    send_latency: int
    encrypted: bool
    peer_version: int


@dataclass(frozen=True, slots=True)
class Received:
    """Payloads in the order in which they were sent, those that came too late left out."""

    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing waits to be sent any more."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Connect."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not, for this reason."""

    reason: Reject


@dataclass(frozen=True, slots=True)
class Send:
    """Send these payloads, each in a packet of its own."""

    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Tell the peer that it is over."""

    reason: str


SrtEvent: TypeAlias = Asked | Established | Received | Drained
SrtCommand: TypeAlias = Accept | Refuse | Send | Disconnect
SrtOutput: TypeAlias = Transmit | Train | Emit[SrtEvent] | WakeAt | Hangup
