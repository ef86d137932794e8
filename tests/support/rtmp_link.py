"""An RTMP client of ours on a real socket: it publishes and plays when told, and can stop reading."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TypeVar

from arcly_actors.clock import SystemClock
from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv import TagType
from arcly_actors.media.flv_body import CodedFrame
from arcly_actors.media.flv_video import read_video
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit
from arcly_actors.protocols.rtmp.amf0 import Value
from arcly_actors.protocols.rtmp.client import (
    ClientCommand,
    ClientEvent,
    Connect,
    ConnectAccepted,
    Play,
    PlayStarted,
    Publish,
    Published,
    RtmpClient,
    SendMedia,
    StatusReceived,
    Stop,
)
from arcly_actors.protocols.rtmp.commands import metadata_body
from arcly_actors.protocols.rtmp.events import MediaReceived
from arcly_actors.protocols.rtmp.message import Message, MessageType
from tests.support.waiting import Noticing
from tests.support.wires import connect

E = TypeVar("E")
_now = SystemClock().monotonic_ns


class RtmpLink(Noticing):
    """One connection. `events` are the client engine's; `over` is set when the server has closed."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        self._engine = RtmpClient(b"interop")
        self._reading: asyncio.Task[None] | None = None
        self.events: list[ClientEvent] = []
        self._hearing = asyncio.Event()
        self.hangup: Hangup | None = None
        self.over = False

    def __repr__(self) -> str:
        told = [event for event in self.events if not isinstance(event, MediaReceived)]
        return f"RtmpLink({len(self.media)} media, {told[-4:]}, {self.hangup}, over={self.over})"

    # -- saying

    async def command(self, command: ClientCommand) -> None:
        """Give the engine a command and send what comes of it."""
        self._engine.command(command, _now())
        await self._settle()

    async def connect(self, application: str = "live", properties: Mapping[str, Value] | None = None) -> None:
        """Shake hands and connect; returns when accepted or refused."""
        self.read()
        await self.command(Connect(application, f"rtmp://127.0.0.1/{application}", properties or {}))
        await self.until(lambda: self.told(ConnectAccepted) or self.over or self.hangup)

    async def publish(self, name: str = "cam") -> None:
        """Publish; returns when accepted or refused."""
        await self.command(Publish(name))
        await self.until(lambda: self.told(Published) or self.over or self.hangup)

    async def play(self, name: str = "cam") -> None:
        """Play; returns when accepted or refused."""
        await self.command(Play(name))
        await self.until(lambda: self.told(PlayStarted) or self.over or self.hangup)

    async def send(self, messages: Iterable[Message]) -> None:
        """Send media."""
        await self.command(SendMedia(tuple(messages)))

    async def stop(self) -> None:
        """End it properly."""
        await self.command(Stop())

    # -- hearing

    def told(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def media(self) -> list[MediaReceived]:
        """What was played so far."""
        return self.told(MediaReceived)

    @property
    def codes(self) -> list[str]:
        """The status codes heard."""
        return [event.code for event in self.told(StatusReceived)]

    def read(self) -> None:
        """Read from now on."""
        self._hearing.set()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    def deafen(self) -> None:
        """Stop reading, after what is just coming in: a receive that is cancelled may lose bytes."""
        self._hearing.clear()

    async def close(self) -> None:
        """Drop the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._socket.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(self._socket, 1 << 16):
                self._engine.receive(data, _now())
                await self._settle()
                await self._hearing.wait()
        self.over = True
        self.notice()

    async def _settle(self) -> None:
        while (output := self._engine.poll()) is not None:
            if isinstance(output, Transmit):
                await asyncio.get_running_loop().sock_sendall(self._socket, output.data)
            elif isinstance(output, Emit):
                self.events.append(output.event)
            elif isinstance(output, Hangup):
                self.hangup = output
        self.notice()


@contextlib.asynccontextmanager
async def linked(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[RtmpLink]:
    """A link for the length of a block."""
    link = RtmpLink((await connect(port, receive_buffer=receive_buffer)).socket)
    try:
        yield link
    finally:
        await link.close()


@contextlib.asynccontextmanager
async def publishing(port: int, name: str = "cam", *, application: str = "live") -> AsyncIterator[RtmpLink]:
    """A link that publishes for the length of a block; it goes without a word."""
    async with linked(port) as link:
        await link.connect(application)
        await link.publish(name)
        assert link.told(Published), link
        yield link


@contextlib.asynccontextmanager
async def playing(port: int, name: str = "cam", *, receive_buffer: int | None = None) -> AsyncIterator[RtmpLink]:
    """A link that plays for the length of a block."""
    async with linked(port, receive_buffer=receive_buffer) as link:
        await link.connect()
        await link.play(name)
        assert link.told(PlayStarted), link
        yield link


class _AsMessages:
    """A framing that keeps RTMP messages instead of bytes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.hints: dict[str, Value] = {}

    def begin(self, tracks: Sequence[Track]) -> bytes:
        self.hints |= {"hasVideo" if track.kind is Kind.VIDEO else "hasAudio": True for track in tracks}
        return b""

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        body = b"".join(parts)
        message = Message(kind, 1, timestamp_ms, body)
        if kind is TagType.SCRIPT:
            message = Message(MessageType.DATA, 1, timestamp_ms, metadata_body(dict(self.hints)))
        self.messages.append(message)
        return b""

    def end(self) -> bytes:
        return b""


def media_messages(
    tracks: tuple[Track, ...], frames: Iterable[MediaFrame], *, with_opening: bool = True
) -> list[Message]:
    """What a publisher of these frames sends: metadata and configurations (`with_opening`), then the frames."""
    framing = _AsMessages()
    encoder = FlvEncoder(framing)
    if with_opening:
        encoder.opening(tracks, {}, 0)
    encoder.follow(tracks)
    for frame in frames:
        encoder.frame(frame)
    return framing.messages


def pictures(media: Iterable[MediaReceived]) -> list[tuple[int, bool]]:
    """DTS (ms) and whether it is a keyframe, of every coded picture among what was received."""
    found = []
    for event in media:
        body = read_video(event.body) if event.kind == "video" else None
        if isinstance(body, CodedFrame):
            found.append((event.timestamp_ms, body.keyframe))
    return found
