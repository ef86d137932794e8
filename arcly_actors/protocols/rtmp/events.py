"""What an RTMP engine tells its session (events) and what the session may tell a server engine (commands)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from arcly_actors.errors import Refusal
from arcly_actors.media.value import quickly_made
from arcly_actors.protocols.rtmp.amf0 import Value
from arcly_actors.protocols.rtmp.enhanced import Capabilities
from arcly_actors.protocols.rtmp.message import Message

MediaKind: TypeAlias = Literal["video", "audio", "data"]


@dataclass(frozen=True, slots=True)
class Connected:
    """A client asks to connect; answer with `AcceptConnect` or `RefuseConnect`.

    `application` is a clean path that may hold slashes or be empty; `enhanced` is None for a legacy client.
    """

    application: str
    tc_url: str
    parameters: Mapping[str, str]
    encoder: str
    enhanced: Capabilities | None = None


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """A client asks to publish; answer with `AcceptPublish` or `RefusePublish`.

    `name` is the stream's own name and `path` that with the application before it (``live/cam``), however the client
    split the two. `kind` is the publishing type: live, record or append.
    """

    stream_id: int
    name: str
    parameters: Mapping[str, str]
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """A client asks to play; answer with `AcceptPlay` or `RefusePlay`. Fields as in `PublishRequested`."""

    stream_id: int
    name: str
    parameters: Mapping[str, str]
    path: str


@quickly_made
@dataclass(frozen=True, slots=True)
class MediaReceived:
    """One audio, video or data message: `body` is an FLV tag's body, `timestamp_ms` the raw 32-bit clock."""

    stream_id: int
    kind: MediaKind
    timestamp_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class MetadataReceived:
    """The publisher's onMetaData."""

    stream_id: int
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class PublishStopped:
    """The client ended its publishing or is gone; comes once for each accepted publish that we did not end."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayStopped:
    """The client ended its playing or is gone; comes once for each accepted play that we did not end."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """A player paused or resumed, at its position in milliseconds; it has been told yes."""

    stream_id: int
    paused: bool
    position_ms: int


@dataclass(frozen=True, slots=True)
class ReceiveChanged:
    """A player wants, or no longer wants, the messages of one kind."""

    stream_id: int
    kind: Literal["video", "audio"]
    wanted: bool


@dataclass(frozen=True, slots=True)
class BufferLengthSet:
    """How many milliseconds the player means to buffer."""

    stream_id: int
    milliseconds: int


ServerEvent: TypeAlias = (
    Connected
    | PublishRequested
    | PlayRequested
    | MediaReceived
    | MetadataReceived
    | PublishStopped
    | PlayStopped
    | PauseRequested
    | ReceiveChanged
    | BufferLengthSet
)


@dataclass(frozen=True, slots=True)
class AcceptConnect:
    """Let the client in."""


@dataclass(frozen=True, slots=True)
class RefuseConnect:
    """Answer connect with an error and hang up."""

    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class AcceptPublish:
    """Let the client publish on this stream; from here on messages up to `RtmpLimits.max_frame` are taken."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class RefusePublish:
    """Answer publish with an error status and hang up (librtmp would wait for ever)."""

    stream_id: int
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class AcceptPlay:
    """Tell the player that its stream begins; messages may follow."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class RefusePlay:
    """Answer play with an error status; the client may ask for something else."""

    stream_id: int
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class EndPlay:
    """End a play so that players end cleanly; `refusal` None for a stream that simply ended. Nothing if it is over."""

    stream_id: int
    refusal: Refusal | None = None
    detail: str = "the stream ended"


@dataclass(frozen=True, slots=True)
class EndPublish:
    """Tell the publisher why it is over and hang up. Nothing if it is over."""

    stream_id: int
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send these messages; those for a stream that is not playing any more are counted and dropped."""

    messages: tuple[Message, ...] = field(default=())


ServerCommand: TypeAlias = (
    AcceptConnect | RefuseConnect | AcceptPublish | RefusePublish | AcceptPlay | RefusePlay | EndPlay | EndPublish | Send
)
