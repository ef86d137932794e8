"""The server engine, asked things by hand-made clients: answers, order, states, deadlines, windows and refusals."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.protocols.outputs import Hangup, WakeAt
from arcly_actors.protocols.rtmp import amf0, control
from arcly_actors.protocols.rtmp.amf0 import UNDEFINED, EcmaArray, Value
from arcly_actors.protocols.rtmp.chunk import encode, encode_message
from arcly_actors.protocols.rtmp.chunk_reader import ChunkReader
from arcly_actors.protocols.rtmp.commands import Command, command_message, data_message, read_command
from arcly_actors.protocols.rtmp.control import BandwidthLimit, UserControl, UserControlType
from arcly_actors.protocols.rtmp.enhanced import Capabilities
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    AcceptPlay,
    AcceptPublish,
    BufferLengthSet,
    Connected,
    EndPlay,
    EndPublish,
    MediaReceived,
    MetadataReceived,
    PauseRequested,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    PublishStopped,
    ReceiveChanged,
    RefuseConnect,
    RefusePlay,
    RefusePublish,
    Send,
)
from arcly_actors.protocols.rtmp.handshake import SIZE, ClientHandshake
from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE, RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.protocols.rtmp.server import RtmpServer
from arcly_actors.protocols.rtmp.states import ConnectionState
from tests.support.rtmp import RECORDINGS, Served, Session, agree, drain


class Peer:
    """A hand-made client: says messages, reads the server's answers."""

    def __init__(self, session: Session = agree, limits: RtmpLimits | None = None) -> None:
        self.served = Served(RtmpServer(b"seed", limits), session)
        self.reader = ChunkReader(RtmpLimits(), 2**23)
        hello = ClientHandshake(b"peer", digest=False)
        self.served.receive(hello.start())
        self.served.receive(hello.receive(bytes(self.served.sent)))
        self.served.sent.clear()
        self.transaction = 0

    def say(self, *messages: Message) -> list[Message]:
        """Send messages; what the server sends back."""
        self.served.receive(b"".join(encode(message, 128) for message in messages))
        return self.answers()

    def answers(self) -> list[Message]:
        """What the server has sent since."""
        self.reader.feed(bytes(self.served.sent))
        self.served.sent.clear()
        messages = []
        while (message := self.reader.next_message()) is not None:
            messages.append(message)
        return messages

    def call(self, name: str, *arguments: Value, stream_id: int = 0) -> list[Command]:
        """Call with the next transaction; the commands that come back."""
        self.transaction += 1
        return commands(self.say(command_message(stream_id, name, self.transaction, *arguments)))

    def connect(self, **properties: Value) -> list[Command]:
        """Connect to the application `live` unless `properties` name another."""
        return self.call("connect", {"app": "live", "tcUrl": "rtmp://h/live", **properties})

    def publish(self, name: str = "cam") -> list[Command]:
        """Connect, create a stream and publish."""
        self.connect()
        self.call("createStream", None)
        return self.call("publish", None, name, "live", stream_id=1)

    def play(self, name: str = "cam") -> list[Command]:
        """Connect, create a stream and play."""
        self.connect()
        self.call("createStream", None)
        return self.call("play", None, name, stream_id=1)


def commands(messages: Sequence[Message]) -> list[Command]:
    return [read_command(message) for message in messages if message.type == MessageType.COMMAND]


def codes(answers: Sequence[Command]) -> list[str]:
    found = []
    for answer in answers:
        information = answer.argument(1)
        found.append(str(information["code"]) if isinstance(information, dict) else answer.name)
    return found


def silent(_event: object) -> None:
    """A session that does not answer."""


def test_connect_is_answered_in_the_order_that_clients_expect() -> None:
    peer = Peer()
    messages = peer.say(command_message(0, "connect", 1, {"app": "live", "tcUrl": "rtmp://h/live", "flashVer": "x"}))
    assert [message.type for message in messages] == [
        MessageType.WINDOW_SIZE,
        MessageType.PEER_BANDWIDTH,
        MessageType.USER_CONTROL,
        MessageType.COMMAND,
    ]
    assert peer.reader.chunk_size == OUTGOING_CHUNK_SIZE
    answer = read_command(messages[-1])
    assert (answer.name, answer.transaction) == ("_result", 1)
    assert answer.argument(1) == {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "connected",
        "objectEncoding": 0,
    }
    assert peer.served.events == [Connected("live", "rtmp://h/live", {}, "x", None)]


def test_connect_with_enhanced_rtmp() -> None:
    peer = Peer()
    answers = peer.connect(fourCcList=["hvc1", "av01", 3.0], videoFourCcInfoMap={"*": 7}, capsEx=2, objectEncoding=3)
    event = peer.served.events[0]
    assert isinstance(event, Connected)
    assert event.enhanced == Capabilities(("hvc1", "av01"), {"*": 7}, {}, 2)
    information = answers[0].argument(1)
    assert isinstance(information, dict)
    assert information["objectEncoding"] == 3
    assert information["capsEx"] == 0
    assert information["fourCcList"][:2] == ["avc1", "hvc1"]
    assert information["videoFourCcInfoMap"]["hvc1"] == 4


def test_connect_refused() -> None:
    for refusal, code in {
        Refusal.UNKNOWN_APPLICATION: "NetConnection.Connect.InvalidApp",
        Refusal.LIMIT: "NetConnection.Connect.Rejected",
        Refusal.SHUTTING_DOWN: "NetConnection.Connect.AppShutdown",
    }.items():
        peer = Peer(lambda _event, refusal=refusal: RefuseConnect(refusal, "because"))  # type: ignore[misc]  # default
        answers = peer.connect()
        assert [answer.name for answer in answers] == ["_error"]
        assert codes(answers) == [code]
        assert peer.served.hangup is not None
        assert isinstance(peer.served.hangup.error, Refused)


def test_connect_to_an_unclean_application_is_refused_without_asking() -> None:
    peer = Peer()
    assert codes(peer.connect(app="live/../etc")) == ["NetConnection.Connect.Rejected"]
    assert peer.served.events == []


def test_publish_as_encoders_do_it() -> None:
    peer = Peer()
    peer.connect()
    assert peer.call("releaseStream", None, "cam")[0].arguments == (None, UNDEFINED)
    assert [answer.name for answer in peer.call("FCPublish", None, "cam")] == ["_result", "onFCPublish"]
    assert peer.call("createStream", None)[0].arguments == (None, 1.0)
    messages = peer.say(command_message(1, "publish", 5, None, "cam?token=x", "live"))
    assert control.read_user_control(messages[0].body) == UserControl(UserControlType.STREAM_BEGIN, 1)
    assert codes(commands(messages)) == ["NetStream.Publish.Start"]
    assert peer.served.events[1:] == [PublishRequested(1, "cam", {"token": "x"}, "live", "live/cam")]
    peer.say(
        data_message(1, 0, "@setDataFrame", "onMetaData", EcmaArray({"width": 160})),
        data_message(1, 3, "@setDataFrame", "onTextData", {"text": "hi"}),
        data_message(1, 3, "@clearDataFrame", "onMetaData"),
        Message(MessageType.DATA_AMF3, 1, 4, b"\x00" + amf0.encode("onMetaData", {"height": 90})),
        Message(MessageType.VIDEO, 1, 5, b"video"),
        Message(MessageType.AUDIO, 1, 6, b"audio"),
    )
    assert peer.served.events[2:] == [
        MetadataReceived(1, {"width": 160}),
        MediaReceived(1, "data", 3, amf0.encode("onTextData", {"text": "hi"})),
        MetadataReceived(1, {"height": 90}),
        MediaReceived(1, "video", 5, b"video"),
        MediaReceived(1, "audio", 6, b"audio"),
    ]
    answers = peer.call("FCUnpublish", None, "cam?token=x")
    assert codes(answers)[1:] == ["NetStream.Unpublish.Success"] * 2
    peer.call("deleteStream", None, 1)
    assert peer.served.events[7:] == [PublishStopped(1)]
    peer.served.server.closed(0)
    peer.served.settle()
    assert peer.served.events[7:] == [PublishStopped(1)]
    assert peer.served.hangup == Hangup("the peer closed the connection")


def test_a_client_that_waits_for_nothing_sees_the_same() -> None:
    """Everything in one piece: input is held while the session decides."""
    peer = Peer(silent)
    peer.say(
        command_message(0, "connect", 1, {"app": "live"}),
        command_message(0, "createStream", 2, None),
        command_message(1, "publish", 3, None, "cam", "live"),
        Message(MessageType.VIDEO, 1, 0, b"first"),
    )
    assert len(peer.served.events) == 1
    peer.served.command(AcceptConnect())
    assert isinstance(peer.served.events[-1], PublishRequested)
    peer.say(Message(MessageType.VIDEO, 1, 40, b"second"))
    assert not peer.served.media()
    peer.served.command(AcceptPublish(1))
    assert [event.body for event in peer.served.media()] == [b"first", b"second"]


def test_what_is_held_is_bounded() -> None:
    peer = Peer(silent, RtmpLimits(max_held_input=1000))
    peer.connect()
    peer.served.receive(bytes(600))
    early = peer.served.hangup
    peer.served.receive(bytes(600))
    assert early is None
    assert peer.served.hangup is not None
    assert isinstance(peer.served.hangup.error, PeerLimit)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.BUSY, "NetStream.Publish.BadName"),
        (Refusal.UNAUTHORISED, "NetStream.Publish.Denied"),
        (Refusal.UNSUPPORTED, "NetStream.Failed"),
    ],
)
def test_publish_refused_or_ended(refusal: Refusal, code: str) -> None:
    def refuse(event: object) -> AcceptConnect | RefusePublish:
        return AcceptConnect() if isinstance(event, Connected) else RefusePublish(1, refusal, "because")

    peer = Peer(refuse)
    answers = peer.publish()
    assert codes(answers) == [code]
    assert answers[0].argument(1) == {"level": "error", "code": code, "description": "because"}
    assert peer.served.hangup is not None
    peer = Peer()
    peer.publish()
    peer.served.command(EndPublish(1, refusal, "because"))
    assert codes(commands(peer.answers())) == [code]
    assert peer.served.hangup is not None
    assert PublishStopped(1) not in peer.served.events


def test_publish_under_an_unclean_name_is_refused_without_asking() -> None:
    peer = Peer()
    assert codes(peer.publish("../cam")) == ["NetStream.Publish.BadName"]
    assert peer.served.hangup is not None


def test_play_and_its_end() -> None:
    peer = Peer()
    peer.connect()
    peer.call("createStream", None)
    messages = peer.say(command_message(1, "play", 4, None, "cam?token=x", -2))
    assert peer.served.events[1:] == [PlayRequested(1, "cam", {"token": "x"}, "live/cam")]
    assert codes(commands(messages)) == ["NetStream.Play.Reset", "NetStream.Play.Start"]
    data = [amf0.decode(message.body)[0] for message in messages if message.type == MessageType.DATA]
    assert data == ["|RtmpSampleAccess", "onStatus"]
    media = (Message(9, 1, 0, b"\x17" + bytes(100_000)), Message(8, 1, 2**25, b"\xaf\x01"))
    peer.served.command(Send((*media, Message(9, 2, 0, b"another stream"))))
    assert peer.answers() == list(media)
    assert peer.served.server.drops == {"not-playing": 1}
    peer.served.command(EndPlay(1))
    messages = peer.answers()
    assert codes(commands(messages)) == ["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop"]
    assert control.read_user_control(messages[1].body) == UserControl(UserControlType.STREAM_EOF, 1)
    peer.served.command(EndPlay(1))
    assert not peer.answers()
    assert codes(peer.call("play", None, "other", stream_id=1))[-1] == "NetStream.Play.Start"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.NOT_FOUND, "NetStream.Play.StreamNotFound"),
        (Refusal.LAGGED, "NetStream.Play.InsufficientBW"),
        (Refusal.UNAUTHORISED, "NetStream.Play.Failed"),
    ],
)
def test_play_refused_or_ended(refusal: Refusal, code: str) -> None:
    def refuse(event: object) -> AcceptConnect | RefusePlay:
        return AcceptConnect() if isinstance(event, Connected) else RefusePlay(1, refusal, "because")

    peer = Peer(refuse)
    assert codes(peer.play()) == [code]
    assert peer.served.hangup is None
    peer = Peer()
    peer.play()
    peer.served.command(EndPlay(1, refusal, "because"))
    assert codes(commands(peer.answers())) == [code, "NetStream.Play.Stop"]


def test_what_may_be_asked_while_playing() -> None:
    peer = Peer()
    peer.play()
    peer.served.events.clear()
    assert codes(peer.call("pause", None, True, 1500.0, stream_id=1)) == ["NetStream.Pause.Notify"]
    assert codes(peer.call("pause", None, False, 1500.0, stream_id=1)) == ["NetStream.Unpause.Notify"]
    assert codes(peer.call("seek", None, 1.0, stream_id=1)) == ["NetStream.Seek.Failed"]
    assert codes(peer.call("play2", None, {}, stream_id=1)) == ["NetStream.Play.Failed"]
    assert codes(peer.call("play", None, "other", stream_id=1)) == ["NetStream.Play.Failed"]
    assert codes(peer.call("publish", None, "other", stream_id=1)) == ["NetStream.Publish.BadName"]
    assert peer.call("receiveAudio", None, False, stream_id=1) == []
    assert peer.call("receiveVideo", None, True, stream_id=1) == []
    assert peer.call("getStreamLength", None, "cam")[0].arguments == (None, 0.0)
    peer.say(control.user_control(UserControl(UserControlType.SET_BUFFER_LENGTH, 1, 3000)))
    assert codes(peer.call("closeStream", None, stream_id=1)) == ["NetStream.Play.Stop"]
    assert peer.served.events == [
        PauseRequested(1, True, 1500),
        PauseRequested(1, False, 1500),
        ReceiveChanged(1, "audio", False),
        ReceiveChanged(1, "video", True),
        BufferLengthSet(1, 3000),
        PlayStopped(1),
    ]


def test_play_false_and_publish_false_stop() -> None:
    peer = Peer()
    peer.play()
    peer.call("play", None, False, stream_id=1)
    assert peer.served.events[-1] == PlayStopped(1)
    peer = Peer()
    peer.publish()
    peer.call("publish", None, False, stream_id=1)
    assert peer.served.events[-1] == PublishStopped(1)


def test_unknown_commands_get_an_error_and_no_hangup() -> None:
    peer = Peer()
    assert codes(peer.call("createStream", None)) == ["NetConnection.Call.Failed"]  # before connect
    peer.connect()
    assert codes(peer.connect()) == ["NetConnection.Call.Failed"]
    assert codes(peer.call("sing", None)) == ["NetConnection.Call.Failed"]
    assert codes(peer.call("play", None, "cam", stream_id=9)) == ["NetConnection.Call.Failed"]
    assert peer.say(command_message(0, "sing", 0, None)) == []
    assert [answer.name for answer in peer.call("_checkbw", None)] == ["_result"]
    assert peer.served.hangup is None
    assert peer.served.server.drops == {"unknown-command": 2}


def test_message_streams_are_bounded_and_reused() -> None:
    peer = Peer()
    peer.connect()
    ids = [peer.call("createStream", None)[0].argument(1) for _ in range(8)]
    assert ids == [1, 2, 3, 4, 5, 6, 7, 8]
    assert codes(peer.call("createStream", None)) == ["NetConnection.Call.Failed"]
    peer.call("deleteStream", None, 3)
    assert peer.call("createStream", None)[0].argument(1) == 3


def test_amf3_command_frames() -> None:
    peer = Peer()
    body = b"\x00" + amf0.encode("connect", 1) + b"\x11" + bytes.fromhex("0a0b01" + "07617070" + "06096c697665" + "01")
    answers = commands(peer.say(Message(MessageType.COMMAND_AMF3, 0, 0, body)))
    assert codes(answers) == ["NetConnection.Connect.Success"]
    assert peer.served.events == [Connected("live", "", {}, "")]
    whole_amf3 = bytes.fromhex("0619" + b"createStream".hex() + "0402" + "01")
    assert commands(peer.say(Message(MessageType.COMMAND_AMF3, 0, 0, whole_amf3)))[0].argument(1) == 1


def test_aggregates_are_split_and_never_nested() -> None:
    peer = Peer()
    peer.publish()
    inner = b"\x09" + (2).to_bytes(3) + bytes(7) + b"vv" + (13).to_bytes(4)
    nested = b"\x16" + len(inner).to_bytes(3) + bytes(7) + inner + (11 + len(inner)).to_bytes(4)
    peer.say(Message(MessageType.AGGREGATE, 1, 70, inner + nested))
    assert peer.served.media() == [MediaReceived(1, "video", 70, b"vv")]
    assert peer.served.server.drops == {"unknown-message": 1}


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
    assert drain(server) == [WakeAt(150)]
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


@settings(derandomize=True, deadline=None, max_examples=300)
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


@settings(derandomize=True, deadline=None, max_examples=300)
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
