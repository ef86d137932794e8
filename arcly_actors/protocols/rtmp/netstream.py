"""One message stream of a server's connection: publish, play, and what may be asked while either goes on."""

from typing import Protocol

from arcly_actors.errors import Refusal
from arcly_actors.protocols.rtmp import status
from arcly_actors.protocols.rtmp.amf0 import whole
from arcly_actors.protocols.rtmp.commands import Command, command_message
from arcly_actors.protocols.rtmp.control import UserControl, UserControlType, user_control
from arcly_actors.protocols.rtmp.events import (
    PauseRequested,
    PlayStopped,
    PublishStopped,
    ReceiveChanged,
    ServerEvent,
)
from arcly_actors.protocols.rtmp.message import Message
from arcly_actors.protocols.rtmp.states import STREAM, StreamMove, StreamState, moved
from arcly_actors.protocols.rtmp.status import Status


class Connection(Protocol):
    """What a stream needs of its connection."""

    def transmit(self, *messages: Message) -> None:
        """Send messages."""
        ...

    def emit(self, event: ServerEvent) -> None:
        """Tell the session."""
        ...


class NetStream:
    """A message stream; `path` is what it was asked to publish or play."""

    __slots__ = ("_connection", "path", "state", "stream_id")

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self._connection = connection
        self.stream_id = stream_id
        self.state = StreamState.IDLE
        self.path = ""

    @property
    def active(self) -> bool:
        """Whether it publishes or plays."""
        return self.state in {StreamState.PUBLISHING, StreamState.PLAYING}

    def move(self, move: StreamMove) -> None:
        """Take a step of the table; ValueError when there is none."""
        self.state = moved(STREAM, self.state, move)

    def say(self, what: Status, description: str) -> None:
        """Send an onStatus."""
        self._connection.transmit(self._status(what, description))

    def accept_publish(self) -> None:
        """The session said yes."""
        self._expect(StreamState.PUBLISH_ASKED)
        self.move(StreamMove.ACCEPTED)
        self._connection.transmit(
            self._user_control(UserControlType.STREAM_BEGIN),
            self._status(status.PUBLISH_START, f"publishing {self.path}"),
        )

    def accept_play(self) -> None:
        """The session said yes. The order is that of every large server, and Flash depended on it.

        Two data messages of those servers are left out (|RtmpSampleAccess and NetStream.Data.Start): only Flash took
        note of them, and FFmpeg makes an unknown third track of them.
        """
        self._expect(StreamState.PLAY_ASKED)
        self.move(StreamMove.ACCEPTED)
        self._connection.transmit(
            self._user_control(UserControlType.STREAM_BEGIN),
            self._status(status.PLAY_RESET, f"playing and resetting {self.path}"),
            self._status(status.PLAY_START, f"playing {self.path}"),
        )

    def refuse(self, asked: StreamState, what: Status, detail: str) -> None:
        """The session said no."""
        self._expect(asked)
        self.move(StreamMove.REFUSED)
        self.say(what, detail)

    def end_play(self, refusal: Refusal | None, detail: str) -> None:
        """Every player finds the end that it knows: a status, StreamEOF, and Play.Stop."""
        self.move(StreamMove.ENDED)
        self._connection.transmit(
            self._status(status.play_refusal(refusal or Refusal.ENDED), detail),
            self._user_control(UserControlType.STREAM_EOF),
            self._status(status.PLAY_STOP, detail),
        )

    def stop(self) -> None:
        """The client ended it, or is gone."""
        was, self.state = self.state, StreamState.IDLE
        if was is StreamState.PUBLISHING:
            self._connection.emit(PublishStopped(self.stream_id))
        elif was is StreamState.PLAYING:
            self._connection.emit(PlayStopped(self.stream_id))

    def close(self) -> None:
        """The client's closeStream, deleteStream or FCUnpublish: stop, and say so."""
        publishing = self.state is StreamState.PUBLISHING
        playing = self.state is StreamState.PLAYING
        self.stop()
        if publishing:
            self.say(status.UNPUBLISH_SUCCESS, f"{self.path} is no longer published")
        elif playing:
            self.say(status.PLAY_STOP, f"stopped playing {self.path}")

    def pause(self, command: Command) -> None:
        """A live stream goes on; the session may use the time to send nothing."""
        paused = command.argument(1) is not False
        self._connection.emit(PauseRequested(self.stream_id, paused, whole(command.argument(2))))
        self.say(status.PAUSE_NOTIFY if paused else status.UNPAUSE_NOTIFY, self.path)

    def receive_audio(self, command: Command) -> None:
        """NetStream.receiveAudio(flag)."""
        self._connection.emit(ReceiveChanged(self.stream_id, "audio", command.argument(1) is not False))

    def receive_video(self, command: Command) -> None:
        """NetStream.receiveVideo(flag)."""
        self._connection.emit(ReceiveChanged(self.stream_id, "video", command.argument(1) is not False))

    def seek(self, _command: Command) -> None:
        """There is nothing to seek in."""
        self.say(status.SEEK_FAILED, "a live stream cannot seek")

    def play2(self, _command: Command) -> None:
        """Switching bit rates within a stream is not offered."""
        self.say(status.PLAY_FAILED, "play2 is not offered; play the other stream instead")

    def _expect(self, state: StreamState) -> None:
        if self.state is not state:
            raise ValueError(f"stream {self.stream_id} is {self.state.name}, not {state.name}")

    def _status(self, what: Status, description: str) -> Message:
        return command_message(self.stream_id, "onStatus", 0, None, what.information(description))

    def _user_control(self, kind: UserControlType) -> Message:
        return user_control(UserControl(kind, self.stream_id))
