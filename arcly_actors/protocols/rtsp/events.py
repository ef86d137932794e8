"""What an RTSP engine tells its session (events) and what the session may tell a server engine (commands)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from arcly_actors.errors import Refusal
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.transport import Transport


class Packet(NamedTuple):
    """An RTP or RTCP packet of the medium with this index in the description."""

    medium: int
    rtcp: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class TrackSetUp:
    """A medium that a SETUP has given this transport, as it was answered."""

    medium: int
    transport: Transport


@dataclass(frozen=True, slots=True)
class DescribeRequested:
    """Somebody wants to know what is in a stream; answer with `AnswerDescribe` or `Refuse`. `user` is who, if known."""

    path: str
    parameters: Mapping[str, str]
    agent: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class AnnounceRequested:
    """Somebody wants to publish; answer with `Accept` or `Refuse`."""

    path: str
    parameters: Mapping[str, str]
    description: Description
    agent: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """The stream that was described is to be sent to these transports; answer with `Accept` or `Refuse`."""

    path: str
    parameters: Mapping[str, str]
    setups: tuple[TrackSetUp, ...]


@dataclass(frozen=True, slots=True)
class RecordStarted:
    """The publisher sends its media from now on, by these transports."""

    setups: tuple[TrackSetUp, ...]


@dataclass(frozen=True, slots=True)
class Paused:
    """The player wants nothing for now, or the publisher sends nothing; it has been told yes."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Playing or publishing is over, by TEARDOWN or with the connection; once for each that was granted."""


@dataclass(frozen=True, slots=True)
class PacketsReceived:
    """What came within the connection: media of a publisher, reports of a player."""

    packets: tuple[Packet, ...]


ServerEvent: TypeAlias = (
    DescribeRequested | AnnounceRequested | PlayRequested | RecordStarted | Paused | Stopped | PacketsReceived
)


@dataclass(frozen=True, slots=True)
class AnswerDescribe:
    """The stream is this: `body` is what `description` looks like in SDP."""

    body: bytes
    description: Description


@dataclass(frozen=True, slots=True)
class TrackStart:
    """Sequence number and RTP time (ticks) of the first packet of a medium that a player is sent (RFC 2326 §12.33)."""

    medium: int
    sequence: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes to the ANNOUNCE or PLAY that is being decided on; to a PLAY with what is known of how its media start."""

    starts: tuple[TrackStart, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """No to the request that is being decided on."""

    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class SendPackets:
    """Send these packets within the connection, by the channels of their media; dropped where there is none."""

    packets: tuple[Packet, ...]


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The peer was heard by other ways (a receiver report over UDP)."""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more is played or taken; hang up. `refusal` is None for a stream that simply ended."""

    refusal: Refusal | None
    detail: str


ServerCommand: TypeAlias = AnswerDescribe | Accept | Refuse | SendPackets | SignOfLife | End
