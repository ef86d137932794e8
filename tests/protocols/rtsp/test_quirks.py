"""What real devices send, one file for each peculiarity: the session comes about, however the bytes are cut."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.rtsp.address import RtspUrl
from arcly_actors.protocols.rtsp.client import Described, RtspClient, SetUp, SetUpAnswered, Started
from arcly_actors.protocols.rtsp.events import AnnounceRequested, RecordStarted
from arcly_actors.protocols.rtsp.message import Request
from arcly_actors.protocols.rtsp.states import State
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from tests.support.rtsp import RECORDINGS, Served, read_all

QUIRKS = sorted((RECORDINGS / "quirks").glob("*.rtsp"))
CLIENTS = [path for path in QUIRKS if path.stem.startswith("client-") and "too-large" not in path.stem]
SERVERS = [path for path in QUIRKS if path.stem.startswith("server-")]
SETS = bytes.fromhex("6742c015d901419f9f016a0c0c08000003000800000301e078b17c92"), bytes.fromhex("68cb8cb2")


class Puller:
    """A client engine whose owner takes every medium within the connection."""

    def __init__(self, url: str = "rtsp://camera.example/stream") -> None:
        self.client = RtspClient(RtspUrl.parse(url), b"seed")
        self.events: list[object] = []
        self.sent = bytearray()
        self.wake_at: int | None = None
        self.hangup: Hangup | None = None
        self.settle()

    def receive(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.client.receive(piece, 1)
            self.settle()

    def settle(self) -> None:
        while (output := self.client.poll()) is not None:
            match output:
                case Transmit():
                    self.sent += output.data
                case WakeAt():
                    self.wake_at = output.at
                case Hangup():
                    self.hangup = output
                case Emit():
                    self.events.append(output.event)
                    if isinstance(output.event, Described):
                        count = len(output.event.description.media)
                        channels = {index: (2 * index, 2 * index + 1) for index in range(count)}
                        chosen = {index: Transport(Lower.TCP, channels=pair) for index, pair in channels.items()}
                        self.client.command(SetUp(chosen), 1)

    def asked(self) -> list[tuple[str, str]]:
        requests = [message for message in read_all(bytes(self.sent)) if isinstance(message, Request)]
        return [(request.method, request.uri) for request in requests]


def check_described(puller: Puller) -> None:
    """Picture with its parameter sets, and sound."""
    (described,) = [event for event in puller.events if isinstance(event, Described)]
    video, audio = described.description.tracks
    assert (video.codec, audio.codec) == (CodecId.H264, CodecId.PCMU)
    assert all(unit in video.configuration for unit in SETS)
    assert (audio.sample_rate, audio.channels) == (8000, 1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_a_camera_is_understood(path: Path, whole: bool) -> None:
    data = path.read_bytes()
    puller = Puller("rtsp://user:pass@camera.example/stream")
    puller.receive([data] if whole else [bytes((byte,)) for byte in data])
    if not whole and "content-length" in path.stem and puller.asked()[-1][0] != "OPTIONS":
        return  # what goes on behind its length is only known to belong to it while it is there
    check_described(puller)
    assert [type(event) for event in puller.events] == [Described, SetUpAnswered, Started]
    assert puller.client.state is State.PLAYING
    assert puller.hangup is None
    asked = [uri for method, uri in puller.asked() if method == "SETUP"]
    if "control-missing" not in path.stem:
        assert asked == [f"rtsp://camera.example/stream/trackID={index}" for index in (0, 1)]


def test_a_session_is_repeated_without_its_spaces_and_kept_alive_within_its_timeout() -> None:
    puller = Puller()
    puller.receive([(RECORDINGS / "quirks/client-session-with-spaces.rtsp").read_bytes()])
    assert b"Session: 12345678\r\n" in puller.sent
    assert puller.wake_at == 1 + 15 * 10**9


def test_the_servers_own_channels_are_used() -> None:
    puller = Puller()
    puller.receive([(RECORDINGS / "quirks/client-transport-other-channels.rtsp").read_bytes()])
    (answered,) = [event for event in puller.events if isinstance(event, SetUpAnswered)]
    assert [setup.transport.channels for setup in answered.setups] == [(0, 1), (4, 5)]


def test_a_body_that_is_shorter_than_it_says_is_taken_after_a_while() -> None:
    puller = Puller()
    puller.receive([(RECORDINGS / "quirks/client-content-length-too-large.rtsp").read_bytes()])
    assert puller.events == []
    assert puller.wake_at is not None
    assert puller.wake_at <= 1 + 2 * 10**9
    puller.client.wake(puller.wake_at)
    puller.settle()
    check_described(puller)
    assert puller.asked()[-1][0] == "SETUP"


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_an_encoder_is_understood(path: Path, whole: bool) -> None:
    data = path.read_bytes()
    served = Served()
    served.receive(*([data] if whole else [bytes((byte,)) for byte in data]))
    if not whole and "content-length" in path.stem:
        assert served.told()[0] == "AnnounceRequested"
        return
    announced, record = served.events
    assert isinstance(announced, AnnounceRequested)
    assert announced.path == "live/cam"
    assert [medium.name for medium in announced.description.media] == ["H264", "PCMU"]
    assert isinstance(record, RecordStarted)
    assert [(setup.medium, setup.transport.channels) for setup in record.setups] == [(0, (0, 1)), (1, (2, 3))]
    assert [answer.status for answer in served.answers()] == [200] * 4
