"""Driving RTSP engines in memory: a server with a session that says yes, requests as text, answers as values."""

import zlib
from collections.abc import Callable
from pathlib import Path

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.rtsp.description import write
from arcly_actors.protocols.rtsp.events import (
    Accept,
    AnnounceRequested,
    AnswerDescribe,
    DescribeRequested,
    PacketsReceived,
    PlayRequested,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.protocols.rtsp.message import Interleaved, Response
from arcly_actors.protocols.rtsp.reader import MessageReader
from arcly_actors.protocols.rtsp.server import RtspServer, ServerRules
from tests.support.streams import clip

RECORDINGS = Path(__file__).parents[1] / "data" / "rtsp"
URI = "rtsp://server.example:8554/live/cam"
TRACKS = (*clip().tracks,)
SOUND = (Track(0, CodecId.PCMU, sample_rate=8000, channels=1),)
Session = Callable[[ServerEvent | PacketsReceived], ServerCommand | None]


def agree(event: ServerEvent | PacketsReceived) -> ServerCommand | None:
    """The answer of a session that lets everyone do everything, and has a stream of picture and sound."""
    match event:
        case DescribeRequested():
            return AnswerDescribe(*write(TRACKS, "live/cam"))
        case AnnounceRequested() | PlayRequested():
            return Accept()
        case _:
            return None


class Served:
    """A server engine with a session: what it told the session, what it sent, when it wants to be woken, how it ended."""

    def __init__(self, rules: ServerRules | None = None, session: Session = agree) -> None:
        self.server = RtspServer(b"seed", rules or ServerRules(udp_ports=(8000, 8001)))
        self.session = session
        self.events: list[ServerEvent | PacketsReceived] = []
        self.sent = bytearray()
        self.hangup: Hangup | None = None
        self.wake_at: int | None = None
        self.now = 1
        self._sequence = 0
        self.settle()
        self.server.wake(self.now)
        self.settle()

    def receive(self, *pieces: bytes) -> None:
        """Feed the pieces one by one."""
        for piece in pieces:
            self.server.receive(piece, self.now)
            self.settle()

    def command(self, command: ServerCommand) -> None:
        """Give one command."""
        self.server.command(command, self.now)
        self.settle()

    def wait_until(self, now: int) -> None:
        """Let time pass; the engine is woken when it asked for it."""
        while self.wake_at is not None and self.wake_at <= now:
            self.now, self.wake_at = self.wake_at, None
            self.server.wake(self.now)
            self.settle()
        self.now = now

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
                        self.server.command(answer, self.now)
                case WakeAt():
                    self.wake_at = output.at
                case Hangup():
                    self.hangup = output

    def ask(self, method: str, uri: str = URI, body: str = "", **fields: str) -> Response:
        """Send a request and return what it is answered."""
        self.sent.clear()
        self._sequence += 1
        self.receive(request(method, uri, self._sequence, body, **fields))
        (answer,) = self.answers()
        assert answer.sequence == self._sequence
        return answer

    def answers(self) -> list[Response]:
        """The responses among what was sent."""
        return [message for message in read_all(bytes(self.sent)) if isinstance(message, Response)]

    def frames(self) -> list[Interleaved]:
        """The interleaved frames among what was sent."""
        return [message for message in read_all(bytes(self.sent)) if isinstance(message, Interleaved)]

    def over(self) -> bool:
        """Whether the engine has hung up."""
        return self.hangup is not None

    def told(self) -> list[str]:
        """The names of the events so far."""
        return [type(event).__name__ for event in self.events]

    def set_up(self, *transports: str) -> list[Response]:
        """DESCRIBE, and a SETUP for each of these transports."""
        self.ask("DESCRIBE")
        return [
            self.ask("SETUP", f"{URI}/trackID={index}", Transport=transport) for index, transport in enumerate(transports)
        ]


def request(method: str, uri: str = URI, sequence: int = 1, body: str = "", **fields: str) -> bytes:
    """A request as clients write it; underscores in field names are hyphens."""
    lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {sequence}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body:
        lines += [f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body]).encode()


def read_all(data: bytes) -> list[object]:
    """Every message and frame in it."""
    reader = MessageReader()
    reader.feed(data)
    found: list[object] = []
    while (message := reader.next()) is not None:
        found.append(message)
    return found


def describe(event: ServerEvent | PacketsReceived) -> list[str]:
    """An event in a line; packets in a line each, by length and CRC-32."""
    match event:
        case PacketsReceived():
            return [
                f"{'rtcp' if packet.rtcp else 'rtp'} {packet.medium} {len(packet.data)} {zlib.crc32(packet.data):08x}"
                for packet in event.packets
            ]
        case AnnounceRequested():
            media = ", ".join(
                f"{medium.index}: {medium.name} {medium.payload_type} {medium.rate} {medium.control!r} "
                f"{zlib.crc32(medium.track.configuration) if medium.track else 0:08x}"
                for medium in event.description.media
            )
            return [f"announce {event.path} {dict(event.parameters)} [{media}]"]
        case DescribeRequested():
            return [f"describe {event.path} {dict(event.parameters)}"]
        case _:
            setups = " ".join(f"{setup.medium}={setup.transport}" for setup in getattr(event, "setups", ()))
            return [f"{type(event).__name__} {setups}".rstrip()]
