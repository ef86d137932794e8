"""Driving RTMP engines in memory: draining outputs, a session that says yes, two engines joined without a network."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from arcly_actors.protocols.outputs import Emit, Hangup, Output, Transmit
from arcly_actors.protocols.rtmp.client import ClientEvent, RtmpClient
from arcly_actors.protocols.rtmp.commands import metadata_body
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    AcceptPlay,
    AcceptPublish,
    Connected,
    MediaReceived,
    MetadataReceived,
    PlayRequested,
    PublishRequested,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.protocols.rtmp.server import RtmpServer

RECORDINGS = Path(__file__).parents[1] / "data" / "rtmp"
MESSAGE_TYPES = {"video": MessageType.VIDEO, "audio": MessageType.AUDIO, "data": MessageType.DATA}


def drain(engine: RtmpServer) -> list[Output[ServerEvent]]:
    """Every output that is ready."""
    outputs = []
    while (output := engine.poll()) is not None:
        outputs.append(output)
    return outputs


def agree(event: ServerEvent) -> ServerCommand | None:
    """The answer of a session that lets everyone do everything."""
    match event:
        case Connected():
            return AcceptConnect()
        case PublishRequested():
            return AcceptPublish(event.stream_id)
        case PlayRequested():
            return AcceptPlay(event.stream_id)
        case _:
            return None


Session = Callable[[ServerEvent], ServerCommand | None]


class Served:
    """A server engine with a session: what it told the session, what it sent, how it hung up."""

    def __init__(self, server: RtmpServer | None = None, session: Session = agree) -> None:
        self.server = server or RtmpServer(b"seed")
        self.session = session
        self.events: list[ServerEvent] = []
        self.sent = bytearray()
        self.hangup: Hangup | None = None

    def receive(self, *pieces: bytes) -> None:
        """Feed the pieces one by one."""
        for piece in pieces:
            self.server.receive(piece, 0)
            self.settle()

    def command(self, command: ServerCommand) -> None:
        """Give one command."""
        self.server.command(command, 0)
        self.settle()

    def settle(self) -> None:
        """Handle every output, answering events as they come."""
        while (output := self.server.poll()) is not None:
            match output:
                case Transmit():
                    self.sent += output.data
                case Emit():
                    self.events.append(output.event)
                    answer = self.session(output.event)
                    if answer is not None:
                        self.server.command(answer, 0)
                case Hangup():
                    self.hangup = output

    def media(self) -> list[MediaReceived]:
        """The media among the events."""
        return [event for event in self.events if isinstance(event, MediaReceived)]


class Pair:
    """A client engine and a served one; `run` carries bytes to and fro, cut by `cut`, until neither says more."""

    def __init__(
        self,
        client: RtmpClient,
        served: Served,
        cut: Callable[[bytes], Iterable[bytes]] = lambda data: (data,),
    ) -> None:
        self.client = client
        self.served = served
        self.cut = cut
        self.events: list[ClientEvent] = []
        self.hangup: Hangup | None = None

    def run(self) -> None:
        """Carry everything that is under way."""
        moving = True
        while moving:
            moving = False
            upstream = self._drain_client()
            if upstream:
                moving = True
                self.served.receive(*self.cut(upstream))
            self.served.settle()
            downstream, self.served.sent = bytes(self.served.sent), bytearray()
            if downstream:
                moving = True
                for piece in self.cut(downstream):
                    self.client.receive(piece, 0)

    def _drain_client(self) -> bytes:
        sent = bytearray()
        while (output := self.client.poll()) is not None:
            match output:
                case Transmit():
                    sent += output.data
                case Emit():
                    self.events.append(output.event)
                case Hangup():
                    self.hangup = output
        return bytes(sent)


def describe(event: ServerEvent) -> str:
    """An event as one line, media bodies as length and CRC-32."""
    if isinstance(event, MediaReceived):
        body = f"{len(event.body)} bytes {zlib.crc32(event.body):08x}"
        return f"MediaReceived stream={event.stream_id} {event.kind} at {event.timestamp_ms} ms: {body}"
    return repr(event)


def as_messages(events: Iterable[ServerEvent], stream_id: int = 1) -> tuple[Message, ...]:
    """What was published, as the messages that a player gets."""
    messages = []
    for event in events:
        if isinstance(event, MediaReceived):
            messages.append(Message(MESSAGE_TYPES[event.kind], stream_id, event.timestamp_ms, event.body))
        elif isinstance(event, MetadataReceived):
            messages.append(Message(MessageType.DATA, stream_id, 0, metadata_body(event.values)))
    return tuple(messages)
