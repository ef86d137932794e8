"""The server engine, asked things by a hand-made client: answers, their order, refusals, what may be asked when."""

import pytest

from arcly_actors.errors import PeerLimit, Refusal, Refused
from arcly_actors.protocols.outputs import Hangup
from arcly_actors.protocols.rtmp import amf0, control
from arcly_actors.protocols.rtmp.amf0 import UNDEFINED, EcmaArray
from arcly_actors.protocols.rtmp.commands import command_message, data_message, read_command
from arcly_actors.protocols.rtmp.control import UserControl, UserControlType
from arcly_actors.protocols.rtmp.enhanced import Capabilities
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
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
from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE, RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType
from tests.support.rtmp_peer import Peer, codes, commands, silent


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
    assert data == []
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
