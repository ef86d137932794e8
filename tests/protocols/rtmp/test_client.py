"""The client engine against the server engine, without a network: both roles, refusals, cuts, and fuzz."""

import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.protocols.outputs import Hangup
from arcly_actors.protocols.rtmp.chunk import encode
from arcly_actors.protocols.rtmp.client import (
    ClientCommand,
    Connect,
    ConnectAccepted,
    Play,
    PlayEnded,
    PlayStarted,
    Publish,
    Published,
    RtmpClient,
    SendMedia,
    StatusReceived,
    Stop,
)
from arcly_actors.protocols.rtmp.commands import data_message
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    Connected,
    EndPlay,
    EndPublish,
    MediaReceived,
    MetadataReceived,
    PlayRequested,
    PublishRequested,
    PublishStopped,
    RefuseConnect,
    RefusePlay,
    RefusePublish,
    Send,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.protocols.rtmp.message import Message
from tests.support.rtmp import Pair, Served

Cut = Callable[[bytes], Iterable[bytes]]
LIVE = Connect("live", "rtmp://h/live")
MEDIA = (
    Message(9, 1, 0, b"\x17\x00" + bytes(300)),
    Message(8, 1, 0xFFFFFF, b"\xaf\x01" + bytes(70_000)),
    Message(9, 1, 0xFFFFFFFF, b"\x27\x01x"),
)


def whole(data: bytes) -> list[bytes]:
    return [data]


def single(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def dice_cut(data: bytes) -> list[bytes]:
    places = sorted(random.Random(len(data)).choices(range(len(data)), k=9))
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]


def pair(*commands: ClientCommand, served: Served | None = None, cut: Cut = whole, digest: bool = True) -> Pair:
    made = Pair(RtmpClient(b"client", digest=digest), served or Served(), cut)
    for command in commands:
        made.client.command(command, 0)
        made.run()
    return made


def media_of(events: Iterable[object]) -> list[tuple[str, int, bytes]]:
    return [(event.kind, event.timestamp_ms, event.body) for event in events if isinstance(event, MediaReceived)]


EXPECTED = [("video", 0, MEDIA[0].body), ("audio", 0xFFFFFF, MEDIA[1].body), ("video", 0xFFFFFFFF, MEDIA[2].body)]


@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("cut", [whole, single, dice_cut])
def test_publish(cut: Cut, digest: bool) -> None:
    made = pair(LIVE, Publish("cam?token=x"), SendMedia(MEDIA), cut=cut, digest=digest)
    assert [event for event in made.events if not isinstance(event, StatusReceived)] == [
        ConnectAccepted(None),
        Published(1),
    ]
    assert media_of(made.served.events) == EXPECTED
    made.client.command(Stop(), 0)
    made.run()
    assert made.hangup == Hangup("stopped")
    assert made.served.events[-1] == PublishStopped(1)


@pytest.mark.parametrize("cut", [whole, single, dice_cut])
def test_play(cut: Cut) -> None:
    made = pair(LIVE, Play("cam"), cut=cut)
    metadata = data_message(1, 0, "onMetaData", {"width": 160})
    made.served.command(Send((metadata, *MEDIA)))
    made.served.command(EndPlay(1))
    made.run()
    told = [event for event in made.events if not isinstance(event, StatusReceived | MediaReceived)]
    assert told == [ConnectAccepted(None), PlayStarted(1), MetadataReceived(1, {"width": 160}), PlayEnded(1)]
    assert media_of(made.events) == EXPECTED
    assert [event.code for event in made.events if isinstance(event, StatusReceived)] == [
        "NetStream.Play.Reset",
        "NetStream.Play.Start",
        "NetStream.Play.UnpublishNotify",
        "NetStream.Play.Stop",
    ]


def test_enhanced_capabilities_are_exchanged() -> None:
    made = pair(Connect("live", "rtmp://h/live", {"fourCcList": ["hvc1"], "capsEx": 0}))
    accepted = made.events[0]
    assert isinstance(accepted, ConnectAccepted)
    assert accepted.enhanced is not None
    assert "av01" in accepted.enhanced.fourccs
    assert accepted.enhanced.video["hvc1"] == 4


def refusing(answer: ServerCommand) -> Served:
    def session(event: ServerEvent) -> ServerCommand | None:
        if isinstance(event, Connected):
            return answer if isinstance(answer, RefuseConnect) else AcceptConnect()
        return answer if isinstance(event, PublishRequested | PlayRequested) else None

    return Served(session=session)


@pytest.mark.parametrize(
    ("answer", "wanted", "refusal"),
    [
        (RefuseConnect(Refusal.UNKNOWN_APPLICATION, "no app"), None, Refusal.UNKNOWN_APPLICATION),
        (RefusePublish(1, Refusal.BUSY, "taken"), Publish("cam"), Refusal.BUSY),
        (RefusePlay(1, Refusal.NOT_FOUND, "none"), Play("cam"), Refusal.NOT_FOUND),
    ],
)
def test_refusals(answer: ServerCommand, wanted: Publish | Play | None, refusal: Refusal) -> None:
    made = pair(LIVE, *([wanted] if wanted else []), served=refusing(answer))
    assert made.hangup is not None
    assert isinstance(made.hangup.error, Refused)
    assert made.hangup.error.refusal is refusal


def test_a_publish_ended_by_the_server() -> None:
    made = pair(LIVE, Publish("cam"))
    made.served.command(EndPublish(1, Refusal.UNSUPPORTED, "multitrack is not taken"))
    made.run()
    assert made.hangup is not None
    assert str(made.hangup.error) == "multitrack is not taken"


def test_commands_out_of_their_time() -> None:
    client = RtmpClient(b"client")
    for early in (Publish("cam"), SendMedia(MEDIA)):
        with pytest.raises(ValueError, match="after"):
            client.command(early, 0)
    made = pair(LIVE)
    with pytest.raises(ValueError, match="already"):
        made.client.command(LIVE, 0)


def test_a_server_that_stays_silent_is_left() -> None:
    made = Pair(RtmpClient(b"client"), Served())
    made.client.command(LIVE, 0)
    made.client.wake(10 * 10**9)
    made.run()
    assert made.hangup is not None
    assert isinstance(made.hangup.error, PeerLimit)


def test_a_server_that_speaks_first_is_malformed() -> None:
    client = RtmpClient(b"client")
    client.receive(b"\x03" + bytes(2 * 1536), 0)
    outputs = [client.poll() for _ in range(6)]
    assert any(isinstance(output, Hangup) and isinstance(output.error, Malformed) for output in outputs)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.integers(1, 24), st.binary(max_size=80)), max_size=8))
def test_random_messages_from_a_server_end_in_one_error(parts: list[tuple[int, bytes]]) -> None:
    made = pair(LIVE, Play("cam"))
    noise = b"".join(encode(Message(kind, 1, 0, body)) for kind, body in parts)
    made.client.receive(noise, 0)
    made.run()
    if made.hangup is not None:
        assert isinstance(made.hangup.error, PeerViolation | Refused)
