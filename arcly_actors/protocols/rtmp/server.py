"""The server end of an RTMP connection, for publishers and players alike (RTMP 1.0, section 7.2)."""

from collections.abc import Callable
from typing import ClassVar, Final

from arcly_actors.errors import Malformed, Refusal, Refused
from arcly_actors.protocols.outputs import Emit, WakeAt
from arcly_actors.protocols.rtmp import control, status
from arcly_actors.protocols.rtmp.address import Address, application_address, stream_address
from arcly_actors.protocols.rtmp.amf0 import UNDEFINED, Value, whole
from arcly_actors.protocols.rtmp.commands import Command, command_message, read_command, read_data
from arcly_actors.protocols.rtmp.control import BandwidthLimit, UserControl, UserControlType, user_control
from arcly_actors.protocols.rtmp.engine import RtmpEngine
from arcly_actors.protocols.rtmp.enhanced import own_capabilities, read_capabilities
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    AcceptPlay,
    AcceptPublish,
    BufferLengthSet,
    Connected,
    EndPlay,
    EndPublish,
    MediaKind,
    MediaReceived,
    MetadataReceived,
    PlayRequested,
    PublishRequested,
    RefuseConnect,
    RefusePlay,
    RefusePublish,
    Send,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.protocols.rtmp.handshake import ServerHandshake
from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE, WINDOW_SIZE, RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType, split_aggregate
from arcly_actors.protocols.rtmp.netstream import NetStream
from arcly_actors.protocols.rtmp.states import CONNECTION, ConnectionMove, ConnectionState, StreamMove, StreamState, moved
from arcly_actors.protocols.rtmp.status import Status

_MEDIA_KINDS: Final[dict[int, MediaKind]] = {MessageType.AUDIO: "audio", MessageType.VIDEO: "video"}
_PUBLISHING: Final = StreamState.PUBLISHING
_SERVER_VERSION: Final = "FMS/3,0,1,123"  # clients look for the prefix; every server says some version of FMS
_CAPABILITIES: Final = 31


class RtmpServer(RtmpEngine[ServerEvent]):
    """A sans-IO RTMP server connection. `seed` is handshake entropy: 32 random bytes are plenty."""

    def __init__(self, seed: bytes, limits: RtmpLimits | None = None) -> None:
        limits = limits or RtmpLimits()
        super().__init__(ServerHandshake(seed), limits, min(limits.max_command, limits.max_frame))
        self._outputs.append(WakeAt(0))  # at once: a client that never sends a byte must time out, too
        self._application = Address("", {})
        self._tc_url = ""
        self._connect: Command | None = None
        self._streams: dict[int, NetStream] = {}

    # -- what the session decides

    def command(self, command: ServerCommand, now: int) -> None:
        """Carry out the session's decision; ValueError when nothing asked for it."""
        if self.state is ConnectionState.CLOSED:
            return
        self._now = now
        match command:
            case Send():
                self._send(command)
            case AcceptConnect():
                self._accept_connect()
            case RefuseConnect():
                self._refuse_connect(command.refusal, command.detail)
            case EndPlay():
                self._end_play(command)
            case EndPublish():
                self._end_publish(command)
            case _:
                self._decide(command)

    def _decide(self, command: AcceptPublish | AcceptPlay | RefusePublish | RefusePlay) -> None:
        match command:
            case AcceptPublish():
                self._stream(command.stream_id).accept_publish()
                self._reader.max_message = self._limits.max_frame
                self._decided()
            case AcceptPlay():
                self._stream(command.stream_id).accept_play()
                self._decided()
            case RefusePublish():
                self._refuse_publish(self._stream(command.stream_id), command.refusal, command.detail)
            case RefusePlay():
                self._refuse_play(self._stream(command.stream_id), command.refusal, command.detail)
                self._decided()

    def _send(self, command: Send) -> None:
        playing = {stream.stream_id for stream in self._streams.values() if stream.state is StreamState.PLAYING}
        messages = [message for message in command.messages if message.stream_id in playing]
        self.drops["not-playing"] += len(command.messages) - len(messages)
        self.transmit(*messages)

    def _accept_connect(self) -> None:
        asked = self._connect
        self.state = moved(CONNECTION, self.state, ConnectionMove.ACCEPTED)
        assert asked is not None
        request = asked.argument(0)
        properties = request if isinstance(request, dict) else {}
        information = status.CONNECT_SUCCESS.information("connected")
        information["objectEncoding"] = whole(properties.get("objectEncoding"))
        if read_capabilities(properties) is not None:
            information |= own_capabilities()
        self.transmit(
            control.window_size(WINDOW_SIZE),
            control.peer_bandwidth(WINDOW_SIZE, BandwidthLimit.DYNAMIC),
            user_control(UserControl(UserControlType.STREAM_BEGIN, 0)),
        )
        self._announce_chunk_size(OUTGOING_CHUNK_SIZE)
        answer: dict[str, Value] = {"fmsVer": _SERVER_VERSION, "capabilities": _CAPABILITIES}
        self.transmit(command_message(0, "_result", asked.transaction, answer, information))
        self._decided()

    def _refuse_connect(self, refusal: Refusal, detail: str) -> None:
        if self.state is not ConnectionState.DECIDING or self._connect is None:
            raise ValueError("there is no connect to refuse")
        self._error(self._connect, status.connect_refusal(refusal), detail)
        self._hang_up(f"connect refused: {refusal}", Refused(refusal, detail))

    def _refuse_publish(self, stream: NetStream, refusal: Refusal, detail: str) -> None:
        stream.refuse(StreamState.PUBLISH_ASKED, status.publish_refusal(refusal), detail)
        self._hang_up(f"publish refused: {refusal}", Refused(refusal, detail))

    def _refuse_play(self, stream: NetStream, refusal: Refusal, detail: str) -> None:
        stream.refuse(StreamState.PLAY_ASKED, status.play_refusal(refusal), detail)

    def _end_play(self, command: EndPlay) -> None:
        stream = self._streams.get(command.stream_id)
        if stream is not None and stream.state is StreamState.PLAYING:
            stream.end_play(command.refusal, command.detail)
            self._watch_idleness()

    def _end_publish(self, command: EndPublish) -> None:
        stream = self._streams.get(command.stream_id)
        if stream is not None and stream.state is StreamState.PUBLISHING:
            stream.move(StreamMove.ENDED)
            stream.say(status.publish_refusal(command.refusal), command.detail)
            self._hang_up(f"publish ended: {command.refusal}", Refused(command.refusal, command.detail))

    def _decided(self) -> None:
        self._watch_idleness()
        self._resume()

    def _await_decision(self) -> None:
        self._awaiting = True
        self._set_deadline(None)  # how long the session thinks is not the peer's fault

    def _watch_idleness(self) -> None:
        busy = any(stream.active for stream in self._streams.values())
        self._set_deadline(None if busy else self._limits.idle_timeout)

    def _stream(self, stream_id: int) -> NetStream:
        if stream_id not in self._streams:
            raise ValueError(f"there is no message stream {stream_id}")
        return self._streams[stream_id]

    # -- what the peer says

    def _on_open(self) -> None:
        """Nothing: the client speaks first."""

    def _on_hangup(self) -> None:
        for stream in self._streams.values():
            stream.stop()
        self._streams.clear()

    def _on_user_control(self, event: UserControl) -> None:
        if event.type == UserControlType.SET_BUFFER_LENGTH:
            self.emit(BufferLengthSet(event.value, event.extra))

    def _on_message(self, message: Message) -> None:
        kind = _MEDIA_KINDS.get(message.type)
        if kind is not None:
            if self._publishes(message):
                event = MediaReceived(message.stream_id, kind, message.timestamp_ms, message.body)
                self._outputs.append(Emit(event))
        elif message.type in {MessageType.COMMAND, MessageType.COMMAND_AMF3}:
            self._on_command(message)
        elif message.type in {MessageType.DATA, MessageType.DATA_AMF3}:
            self._on_data(message)
        elif message.type == MessageType.AGGREGATE:
            for part in split_aggregate(message):
                if part.type in {MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA}:
                    self._on_message(part)
                else:
                    self.drops["unknown-message"] += 1
        else:
            self.drops["unknown-message"] += 1

    def _publishes(self, message: Message) -> bool:
        stream = self._streams.get(message.stream_id)
        if stream is None or stream.state is not _PUBLISHING:
            self.drops["not-publishing"] += 1
            return False
        if not message.body:
            self.drops["empty"] += 1
            return False
        return True

    def _on_data(self, message: Message) -> None:
        if not self._publishes(message):
            return
        try:
            frame = read_data(message, self._limits.max_command)
        except Malformed:
            self.drops["bad-data"] += 1  # what is only advice does not cost a publisher its stream
            return
        if frame.metadata is not None:
            self.emit(MetadataReceived(message.stream_id, frame.metadata))
        elif not frame.name.startswith("@"):
            self.emit(MediaReceived(message.stream_id, "data", message.timestamp_ms, frame.body))

    def _on_command(self, message: Message) -> None:
        command = read_command(message)
        if command.name == "connect" and self.state is ConnectionState.CONNECTING:
            self._on_connect(command)
        elif self.state is not ConnectionState.READY or command.name == "connect":
            self._error(command, status.CALL_FAILED, "connect first, and once")
        elif (call := self._CALLS.get(command.name)) is not None:
            call(self, command)
        elif command.name in self._NEGOTIATED or command.name in self._ANSWERED_BY_STREAM:
            self._on_stream_command(message.stream_id, command)
        elif command.name not in {"_result", "_error", "onStatus"}:
            self.drops["unknown-command"] += 1
            self._error(command, status.CALL_FAILED, f"{command.name[:64]} is no command of this server")

    def _on_stream_command(self, stream_id: int, command: Command) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._error(command, status.CALL_FAILED, f"there is no message stream {stream_id}")
        elif command.name in self._NEGOTIATED:
            self._NEGOTIATED[command.name](self, stream, command)
        else:
            self._ANSWERED_BY_STREAM[command.name](stream, command)

    # -- NetConnection commands (7.2.1)

    def _on_connect(self, command: Command) -> None:
        request = command.argument(0)
        properties = request if isinstance(request, dict) else {}
        app, tc_url, encoder = (_text(properties.get(name)) for name in ("app", "tcUrl", "flashVer"))
        self.state = moved(CONNECTION, self.state, ConnectionMove.ASKED)
        self._connect = command
        self._tc_url = tc_url
        try:
            self._application = application_address(app, tc_url)
        except Refused as refused:
            self._refuse_connect(refused.refusal, refused.detail)
            return
        self._await_decision()
        self.emit(
            Connected(
                self._application.path,
                tc_url,
                self._application.parameters,
                encoder,
                read_capabilities(properties),
            )
        )

    def _create_stream(self, command: Command) -> None:
        free = (number for number in range(1, self._limits.max_message_streams + 1) if number not in self._streams)
        stream_id = next(free, None)
        if stream_id is None:
            self._error(command, status.CALL_FAILED, f"at most {self._limits.max_message_streams} message streams")
            return
        self._streams[stream_id] = NetStream(self, stream_id)
        self._result(command, stream_id)

    def _delete_stream(self, command: Command) -> None:
        stream = self._streams.pop(whole(command.argument(1)), None)
        if stream is not None:
            stream.close()
            self._watch_idleness()

    def _acknowledge_call(self, command: Command) -> None:
        self._result(command, UNDEFINED)

    def _fc_publish(self, command: Command) -> None:
        self._result(command, UNDEFINED)
        self._announce("onFCPublish", status.PUBLISH_START, command.text(1))

    def _fc_subscribe(self, command: Command) -> None:
        self._result(command, UNDEFINED)
        self._announce("onFCSubscribe", status.PLAY_START, command.text(1))

    def _fc_unpublish(self, command: Command) -> None:
        self._result(command, UNDEFINED)
        self._announce("onFCUnpublish", status.UNPUBLISH_SUCCESS, command.text(1))
        path = self._address(command.text(1))
        for stream in self._streams.values():
            if stream.state is StreamState.PUBLISHING and path is not None and stream.path == path[0].path:
                stream.close()
        self._watch_idleness()

    def _stream_length(self, command: Command) -> None:
        self._result(command, 0)  # a live stream has none

    # -- NetStream commands (7.2.2) that need the session

    def _publish(self, stream: NetStream, command: Command) -> None:
        if command.argument(1) is False:  # publish(false) is ActionScript's way to stop
            self._close_stream(stream, command)
            return
        if stream.state is not StreamState.IDLE:
            stream.say(status.PUBLISH_BAD_NAME, "this message stream is in use")
            return
        address = self._address(command.text(1))
        stream.move(StreamMove.PUBLISH)
        if address is None:
            self._refuse_publish(stream, Refusal.BAD_REQUEST, "not a stream name that can be served")
            return
        where, name = address
        stream.path = where.path
        self._await_decision()
        self.emit(
            PublishRequested(stream.stream_id, name, where.parameters, command.text(2) or "live", where.path),
        )

    def _play(self, stream: NetStream, command: Command) -> None:
        if command.argument(1) is False:
            self._close_stream(stream, command)
            return
        if stream.state is not StreamState.IDLE:
            stream.say(status.PLAY_FAILED, "this message stream is in use")
            return
        address = self._address(command.text(1))
        stream.move(StreamMove.PLAY)
        if address is None:
            self._refuse_play(stream, Refusal.BAD_REQUEST, "not a stream name that can be served")
            return
        where, name = address
        stream.path = where.path
        self._await_decision()
        self.emit(PlayRequested(stream.stream_id, name, where.parameters, where.path))

    def _close_stream(self, stream: NetStream, _command: Command) -> None:
        stream.close()
        self._watch_idleness()

    def _address(self, name: str) -> tuple[Address, str] | None:
        try:
            return stream_address(self._application, self._tc_url, name)
        except Refused:
            return None

    # -- answers

    def _result(self, command: Command, *values: Value) -> None:
        if command.transaction:
            self.transmit(command_message(0, "_result", command.transaction, None, *values))

    def _error(self, command: Command, what: Status, description: str) -> None:
        if command.transaction:
            self.transmit(command_message(0, "_error", command.transaction, None, what.information(description)))

    def _announce(self, name: str, what: Status, description: str) -> None:
        self.transmit(command_message(0, name, 0, None, what.information(description)))

    # Tables of the class and not of each connection: thousands of viewers share them, and none holds itself alive.
    _CALLS: ClassVar[dict[str, Callable[["RtmpServer", Command], None]]] = {
        "createStream": _create_stream,
        "deleteStream": _delete_stream,
        "releaseStream": _acknowledge_call,
        "FCPublish": _fc_publish,
        "FCSubscribe": _fc_subscribe,
        "FCUnpublish": _fc_unpublish,
        "getStreamLength": _stream_length,
        "_checkbw": _acknowledge_call,
    }
    _NEGOTIATED: ClassVar[dict[str, Callable[["RtmpServer", NetStream, Command], None]]] = {
        "publish": _publish,
        "play": _play,
        "closeStream": _close_stream,
    }
    _ANSWERED_BY_STREAM: ClassVar[dict[str, Callable[[NetStream, Command], None]]] = {
        "play2": NetStream.play2,
        "pause": NetStream.pause,
        "pauseRaw": NetStream.pause,
        "receiveAudio": NetStream.receive_audio,
        "receiveVideo": NetStream.receive_video,
        "seek": NetStream.seek,
    }


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
