"""The server engine under strain: drops, bounds, windows, deadlines, misuse, and noise of every kind."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.protocols.outputs import Hangup, WakeAt
from arcly_actors.protocols.rtmp import amf0, control
from arcly_actors.protocols.rtmp.chunk import encode, encode_message
from arcly_actors.protocols.rtmp.commands import command_message
from arcly_actors.protocols.rtmp.control import BandwidthLimit, UserControl, UserControlType
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    AcceptPlay,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    PublishStopped,
    RefuseConnect,
    RefusePublish,
)
from arcly_actors.protocols.rtmp.handshake import SIZE, ClientHandshake
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.protocols.rtmp.server import RtmpServer
from arcly_actors.protocols.rtmp.states import ConnectionState
from tests.support.rtmp import RECORDINGS, Served, drain
from tests.support.rtmp_peer import Peer


def test_drops_are_counted_by_reason() -> None:
    peer = Peer()
    peer.say(Message(MessageType.VIDEO, 1, 0, b"early"))
    peer.publish()
    peer.say(
        Message(MessageType.VIDEO, 1, 0, b""),
        Message(MessageType.DATA, 1, 0, b"\xff"),
        Message(MessageType.SHARED_OBJECT, 1, 0, b"x"),
        Message(7, 0, 0, b"x"),
    )
    expected = {"not-publishing": 1, "empty": 1, "bad-data": 1, "unknown-message": 2}
    assert peer.served.server.drops == expected
    assert peer.served.hangup is None


def test_a_peer_is_trusted_with_large_messages_only_once_it_publishes() -> None:
    big = encode_message(6, 9, 1, 0, (bytes(100_000),), 128)
    peer = Peer()
    peer.connect()
    peer.served.receive(big)
    assert peer.served.hangup is not None
    assert isinstance(peer.served.hangup.error, PeerLimit)
    peer = Peer()
    peer.publish()
    peer.served.receive(big)
    assert [len(event.body) for event in peer.served.media()] == [100_000]
    peer.served.receive(encode_message(6, 9, 1, 0, (bytes(2**23 + 1),), 65536))
    assert peer.served.hangup is not None
    assert peer.served.events[-1] == PublishStopped(1)


def test_acknowledgements_follow_the_peers_window() -> None:
    peer = Peer()
    peer.publish()
    peer.say(control.window_size(1000))
    peer.answers()
    answers = peer.say(Message(MessageType.VIDEO, 1, 0, bytes(5000)))
    assert [message.type for message in answers] == [MessageType.ACKNOWLEDGEMENT]
    received = control.read_size(answers[0].body)
    assert received > 5000 + 2 * SIZE
    assert peer.say(Message(MessageType.VIDEO, 1, 0, bytes(500))) == []
    assert control.read_size(peer.say(Message(MessageType.VIDEO, 1, 0, bytes(500)))[0].body) > received + 1000


def test_without_a_window_of_the_peer_the_usual_one_holds() -> None:
    peer = Peer()
    peer.publish()
    answers = [peer.say(Message(MessageType.VIDEO, 1, 0, bytes(1_000_000))) for _ in range(3)]
    assert [len(answer) for answer in answers] == [0, 0, 1]


def test_peer_bandwidth_and_pings() -> None:
    peer = Peer()
    peer.connect()
    assert peer.say(control.peer_bandwidth(1000, BandwidthLimit.DYNAMIC)) == []
    assert peer.say(control.peer_bandwidth(1000, BandwidthLimit.HARD)) == [control.window_size(1000)]
    assert peer.say(control.peer_bandwidth(5000, BandwidthLimit.SOFT)) == []
    assert peer.say(control.peer_bandwidth(500, BandwidthLimit.SOFT)) == [control.window_size(500)]
    assert peer.say(Message(6, 0, 0, (400).to_bytes(4))) == []  # no kind of limit: dynamic after soft
    ping = UserControl(UserControlType.PING_REQUEST, 77)
    assert peer.say(control.user_control(ping)) == [control.user_control(ping._replace(type=7))]
    peer.say(control.acknowledgement(4321))
    assert peer.served.server.peer_acknowledged == 4321


@pytest.mark.parametrize(
    ("kind", "body"), [(3, b""), (4, b"\x00\x06"), (4, bytes((0, 3)) + bytes(4)), (5, b"x"), (6, b"")]
)
def test_cut_control_messages_end_the_connection(kind: int, body: bytes) -> None:
    peer = Peer()
    peer.say(Message(kind, 0, 0, body))
    assert peer.served.hangup is not None
    assert isinstance(peer.served.hangup.error, Malformed)


@pytest.mark.parametrize("body", [b"", b"\x05", amf0.encode(1.0), b"\x02\x00"])
def test_commands_without_a_name_end_the_connection(body: bytes) -> None:
    peer = Peer()
    peer.say(Message(MessageType.COMMAND, 0, 0, body))
    assert peer.served.hangup is not None
    assert isinstance(peer.served.hangup.error, Malformed)


def test_deadlines() -> None:
    limits = RtmpLimits(handshake_timeout=50, idle_timeout=700)
    server = RtmpServer(b"seed", limits)
    server.wake(100)
    assert drain(server) == [WakeAt(0), WakeAt(150)]
    server.wake(149)
    assert drain(server) == []
    server.wake(150)
    end = drain(server)[-1]
    assert isinstance(end, Hangup)
    assert isinstance(end.error, PeerLimit)
    peer = Peer(limits=limits)
    server = peer.served.server
    peer.connect()
    server.wake(699)
    peer.served.settle()
    assert peer.served.hangup is None
    peer.call("createStream", None)
    peer.call("publish", None, "cam", stream_id=1)
    server.wake(10_000)
    peer.served.settle()
    assert peer.served.hangup is None
    peer.call("deleteStream", None, 1)
    server.wake(10_000)
    peer.served.settle()
    assert peer.served.hangup is not None


def test_after_a_hangup_everything_is_ignored() -> None:
    peer = Peer()
    peer.served.server.closed(0)
    peer.served.settle()
    server = peer.served.server
    server.receive(bytes(100), 0)
    server.wake(10**18)
    server.closed(0)
    server.command(AcceptPlay(1), 0)
    assert server.state is ConnectionState.CLOSED
    assert drain(server) == []


def test_a_session_that_answers_what_was_not_asked_is_told() -> None:
    peer = Peer()
    for command in (AcceptConnect(), AcceptPlay(1), RefusePublish(1, Refusal.BUSY, ""), RefuseConnect(Refusal.BUSY, "")):
        with pytest.raises(ValueError, match=r"possible|no "):
            peer.served.server.command(command, 0)
    peer.publish()
    with pytest.raises(ValueError, match="PUBLISHING"):
        peer.served.server.command(AcceptPlay(1), 0)


RECORDED = [(RECORDINGS / f"{name}.bin").read_bytes() for name in ("ffmpeg-8-publish-hevc", "rtmpdump-2.4-play")]


@settings(max_examples=120)
@given(st.sampled_from(RECORDED), st.integers(0, 2**32), st.integers(1, 12))
def test_mutated_recordings_end_in_events_or_one_error(data: bytes, seed: int, changes: int) -> None:
    dice = random.Random(seed)
    mutated = bytearray(data)
    for _ in range(changes):
        place = dice.randrange(1 + 2 * SIZE, len(mutated))
        match dice.randrange(3):
            case 0:
                mutated[place] = dice.randrange(256)
            case 1:
                del mutated[place : place + dice.randrange(1, 20)]
            case _:
                mutated[place:place] = dice.randbytes(dice.randrange(1, 20))
        if len(mutated) < 2 * SIZE + 10:
            break
    check_survival(bytes(mutated), dice)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.integers(1, 24), st.binary(max_size=80)), max_size=8), st.integers(0, 2**32))
def test_random_messages_end_in_events_or_one_error(parts: list[tuple[int, bytes]], seed: int) -> None:
    hello = ClientHandshake(b"peer", digest=False).start() + bytes(SIZE)
    begin = [command_message(0, "connect", 1, {"app": "live"}), command_message(0, "createStream", 2, None)]
    begin.append(command_message(1, "publish", 3, None, "cam"))
    noise = [Message(kind, 1, 0, body) for kind, body in parts]
    check_survival(hello + b"".join(encode(message, 128) for message in begin + noise), random.Random(seed))


def check_survival(data: bytes, dice: random.Random) -> None:
    cut = dice.randrange(len(data))
    served = Served()
    served.receive(data[:cut], data[cut:])
    if served.hangup is not None and served.hangup.error is not None:
        assert isinstance(served.hangup.error, PeerViolation | Refused)
    served.server.closed(0)
    served.settle()
    assert served.hangup is not None
    starts = sum(isinstance(event, PublishRequested | PlayRequested) for event in served.events)
    stops = sum(isinstance(event, PublishStopped | PlayStopped) for event in served.events)
    assert stops == starts
