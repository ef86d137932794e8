"""The client end of an RTMP connection: it connects, then publishes or plays one stream."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from arcly_actors.errors import Malformed, Refusal, Refused
from arcly_actors.protocols.rtmp import status
from arcly_actors.protocols.rtmp.amf0 import Value, whole
from arcly_actors.protocols.rtmp.commands import Command, command_message, read_command, read_data
from arcly_actors.protocols.rtmp.control import UserControl, UserControlType, user_control
from arcly_actors.protocols.rtmp.engine import RtmpEngine
from arcly_actors.protocols.rtmp.enhanced import Capabilities, read_capabilities
from arcly_actors.protocols.rtmp.events import MediaKind, MediaReceived, MetadataReceived
from arcly_actors.protocols.rtmp.handshake import ClientHandshake
from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE, RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType, split_aggregate
from arcly_actors.protocols.rtmp.states import (
    CONNECTION,
    STREAM,
    ConnectionMove,
    ConnectionState,
    StreamMove,
    StreamState,
    moved,
)

_MEDIA_KINDS: Final[dict[int, MediaKind]] = {MessageType.AUDIO: "audio", MessageType.VIDEO: "video"}
_ENDS: Final = frozenset({status.PLAY_STOP.code, status.PLAY_UNPUBLISH_NOTIFY.code, status.UNPUBLISH_SUCCESS.code})


@dataclass(frozen=True, slots=True)
class ConnectAccepted:
    """The server let us in; `enhanced` is what it says of enhanced RTMP, None for a legacy server."""

    enhanced: Capabilities | None


@dataclass(frozen=True, slots=True)
class Published:
    """The server takes our stream: media may be sent on this message stream."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """The server begins to play."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """The stream that was played is over."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """Any onStatus, as it came."""

    stream_id: int
    level: str
    code: str
    description: str


ClientEvent: TypeAlias = (
    ConnectAccepted | Published | PlayStarted | PlayEnded | StatusReceived | MediaReceived | MetadataReceived
)


@dataclass(frozen=True, slots=True)
class Connect:
    """Begin: shake hands and connect to `application`. `properties` are added to the connect object."""

    application: str
    tc_url: str
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish under this name; after `ConnectAccepted`."""

    name: str
    kind: str = "live"


@dataclass(frozen=True, slots=True)
class Play:
    """Play this name; after `ConnectAccepted`."""

    name: str
    buffer_ms: int = 3000


@dataclass(frozen=True, slots=True)
class SendMedia:
    """Send messages of the published stream; after `Published`."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """End what is published or played, and hang up."""


ClientCommand: TypeAlias = Connect | Publish | Play | SendMedia | Stop


class RtmpClient(RtmpEngine[ClientEvent]):
    """A sans-IO RTMP client connection. `seed` is handshake entropy; `digest` chooses the form of the handshake."""

    def __init__(
        self,
        seed: bytes,
        limits: RtmpLimits | None = None,
        *,
        digest: bool = True,
        encoder: str = "FMLE/3.0 (compatible; arcly_actors)",
    ) -> None:
        limits = limits or RtmpLimits()
        self._hello = ClientHandshake(seed, digest=digest)
        super().__init__(self._hello, limits, limits.max_frame)
        self._encoder = encoder
        self._connect: Connect | None = None
        self._wanted: Publish | Play | None = None
        self._stream = StreamState.IDLE
        self._stream_id = 0
        self._transaction = 0
        self._calls: dict[int, Callable[[Command], None]] = {}

    # -- what the session wants

    def command(self, command: ClientCommand, now: int) -> None:
        """Carry it out; ValueError when its time has not come."""
        if self.state is ConnectionState.CLOSED:
            return
        self._now = now
        match command:
            case SendMedia():
                if self._stream is not StreamState.PUBLISHING:
                    raise ValueError("media is sent after Published")
                self.transmit(*command.messages)
            case Connect():
                self._begin(command)
            case Publish() | Play():
                self._ask(command)
            case Stop():
                self._stop()

    def _begin(self, command: Connect) -> None:
        if self._connect is not None:
            raise ValueError("this client has already begun to connect")
        self._connect = command
        self._started = True
        self._set_deadline(self._limits.handshake_timeout)
        self._write(self._hello.start())

    def _ask(self, command: Publish | Play) -> None:
        if self.state is not ConnectionState.READY or self._wanted is not None:
            raise ValueError("publish or play one stream, after ConnectAccepted")
        self._wanted = command
        self._set_deadline(self._limits.handshake_timeout)
        if isinstance(command, Publish):
            self._call("releaseStream", None, command.name)
            self._call("FCPublish", None, command.name)
        self._call("createStream", None, then=self._on_stream_created)

    def _stop(self) -> None:
        if self._stream_id:
            if isinstance(self._wanted, Publish):
                self._call("FCUnpublish", None, self._wanted.name)
            self._call("deleteStream", None, self._stream_id)
        self._hang_up("stopped", None)

    def _call(self, name: str, *arguments: Value, then: Callable[[Command], None] | None = None) -> None:
        self._transaction += 1
        if then is not None:
            self._calls[self._transaction] = then
        self.transmit(command_message(0, name, self._transaction, *arguments))

    # -- what the server says

    def _on_open(self) -> None:
        if self._connect is None:
            raise Malformed("the server spoke before it was spoken to")
        self.state = moved(CONNECTION, self.state, ConnectionMove.ASKED)
        self._announce_chunk_size(OUTGOING_CHUNK_SIZE)
        properties: dict[str, Value] = {
            "app": self._connect.application,
            "type": "nonprivate",
            "flashVer": self._encoder,
            "tcUrl": self._connect.tc_url,
            "objectEncoding": 0,
            **self._connect.properties,
        }
        self._call("connect", properties, then=self._on_connected)

    def _on_hangup(self) -> None:
        if self._stream is StreamState.PLAYING:
            self._end_play()
        self._calls.clear()

    def _on_user_control(self, event: UserControl) -> None:
        if event.type == UserControlType.STREAM_EOF and self._stream is StreamState.PLAYING:
            self._end_play()

    def _on_message(self, message: Message) -> None:
        kind = _MEDIA_KINDS.get(message.type)
        if kind is not None:
            self._on_media(message, kind)
        elif message.type in {MessageType.COMMAND, MessageType.COMMAND_AMF3}:
            self._on_command(read_command(message), message.stream_id)
        elif message.type in {MessageType.DATA, MessageType.DATA_AMF3}:
            self._on_data(message)
        elif message.type == MessageType.AGGREGATE:
            for part in split_aggregate(message):
                if part.type in _MEDIA_KINDS:
                    self._on_media(part, _MEDIA_KINDS[part.type])
        else:
            self.drops["unknown-message"] += 1

    def _on_media(self, message: Message, kind: MediaKind) -> None:
        if self._stream is StreamState.PLAYING:
            self.emit(MediaReceived(message.stream_id, kind, message.timestamp_ms, message.body))
        else:
            self.drops["not-playing"] += 1

    def _on_data(self, message: Message) -> None:
        if self._stream is not StreamState.PLAYING or not message.body:
            self.drops["not-playing"] += 1
            return
        try:
            frame = read_data(message, self._limits.max_command)
        except Malformed:
            self.drops["bad-data"] += 1
            return
        if frame.metadata is not None:
            self.emit(MetadataReceived(message.stream_id, frame.metadata))
        elif frame.name not in {"onStatus", "|RtmpSampleAccess"}:
            self.emit(MediaReceived(message.stream_id, "data", message.timestamp_ms, frame.body))

    def _on_command(self, command: Command, stream_id: int) -> None:
        if command.name in {"_result", "_error"}:
            then = self._calls.pop(whole(command.transaction), None)
            if then is not None and command.name == "_result":
                then(command)
            elif then is not None:
                self._refused(_information(command, 1))
        elif command.name == "onStatus":
            self._on_status(_information(command, 1), stream_id)

    def _on_connected(self, command: Command) -> None:
        self.state = moved(CONNECTION, self.state, ConnectionMove.ACCEPTED)
        self._set_deadline(None)
        information = command.argument(1)
        self.emit(ConnectAccepted(read_capabilities(information) if isinstance(information, dict) else None))

    def _on_stream_created(self, command: Command) -> None:
        wanted = self._wanted
        self._stream_id = whole(command.argument(1))
        if not 0 < self._stream_id <= 0xFFFFFFFF:
            raise Malformed("createStream was answered without a stream id")
        if isinstance(wanted, Publish):
            self._stream = moved(STREAM, self._stream, StreamMove.PUBLISH)
            self.transmit(command_message(self._stream_id, "publish", 0, None, wanted.name, wanted.kind))
        elif isinstance(wanted, Play):
            self._stream = moved(STREAM, self._stream, StreamMove.PLAY)
            self.transmit(
                user_control(UserControl(UserControlType.SET_BUFFER_LENGTH, self._stream_id, wanted.buffer_ms)),
                command_message(self._stream_id, "play", 0, None, wanted.name, -2),
            )

    def _on_status(self, told: StatusReceived, stream_id: int) -> None:
        self.emit(StatusReceived(stream_id, told.level, told.code, told.description))
        if told.level == status.Level.ERROR:
            self._refused(told)
        elif told.code == status.PUBLISH_START.code and self._stream is StreamState.PUBLISH_ASKED:
            self._stream = moved(STREAM, self._stream, StreamMove.ACCEPTED)
            self._set_deadline(None)
            self.emit(Published(self._stream_id))
        elif told.code == status.PLAY_START.code and self._stream is StreamState.PLAY_ASKED:
            self._stream = moved(STREAM, self._stream, StreamMove.ACCEPTED)
            self._set_deadline(None)
            self.emit(PlayStarted(self._stream_id))
        elif told.code in _ENDS and self._stream is StreamState.PLAYING:
            self._end_play()

    def _end_play(self) -> None:
        self._stream = moved(STREAM, self._stream, StreamMove.ENDED)
        self.emit(PlayEnded(self._stream_id))

    def _refused(self, told: StatusReceived) -> None:
        refusal = _REFUSALS.get(told.code, Refusal.FAILED)
        self._hang_up(f"the server refused: {told.code}", Refused(refusal, told.description or told.code))


_REFUSALS: Final = {
    status.CONNECT_INVALID_APP.code: Refusal.UNKNOWN_APPLICATION,
    status.CONNECT_APP_SHUTDOWN.code: Refusal.SHUTTING_DOWN,
    status.CONNECT_REJECTED.code: Refusal.UNAUTHORISED,
    status.PUBLISH_BAD_NAME.code: Refusal.BUSY,
    status.PUBLISH_DENIED.code: Refusal.UNAUTHORISED,
    status.PLAY_STREAM_NOT_FOUND.code: Refusal.NOT_FOUND,
    status.CALL_FAILED.code: Refusal.BAD_REQUEST,
}


def _information(command: Command, index: int) -> StatusReceived:
    value = command.argument(index)
    told = value if isinstance(value, dict) else {}
    level, code, description = (told.get(name) for name in ("level", "code", "description"))
    return StatusReceived(0, _text(level), _text(code), _text(description))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
