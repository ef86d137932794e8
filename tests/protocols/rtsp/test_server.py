"""The server engine: every method in every order that clients use, and the answers to those that they should not."""

import pytest

from arcly_actors.errors import Refusal, Refused
from arcly_actors.protocols.rtsp import status
from arcly_actors.protocols.rtsp.access import Access, Account, Action
from arcly_actors.protocols.rtsp.auth import Credentials, answer, read_challenges
from arcly_actors.protocols.rtsp.description import parse, write
from arcly_actors.protocols.rtsp.events import (
    Accept,
    AnnounceRequested,
    DescribeRequested,
    End,
    Packet,
    PacketsReceived,
    PlayRequested,
    RecordStarted,
    Refuse,
    SendPackets,
    ServerCommand,
)
from arcly_actors.protocols.rtsp.message import Interleaved, Request, write_interleaved
from arcly_actors.protocols.rtsp.server import ServerRules
from arcly_actors.protocols.rtsp.states import State
from tests.support.rtsp import TRACKS, URI, Served, request

TCP = "RTP/AVP/TCP;unicast;interleaved={}-{}"
UDP = "RTP/AVP;unicast;client_port=5000-5001"
SDP = write(TRACKS, "x")[0].decode()


def playing(transports: tuple[str, str] = (TCP.format(0, 1), TCP.format(2, 3))) -> Served:
    served = Served()
    served.set_up(*transports)
    assert served.ask("PLAY").status == 200
    return served


def recording() -> Served:
    served = Served()
    served.ask("ANNOUNCE", body=SDP, Content_Type="application/sdp")
    for index in range(2):
        transport = TCP.format(2 * index, 2 * index + 1)
        assert served.ask("SETUP", f"{URI}/trackID={index}", Transport=f"{transport};mode=record").status == 200
    assert served.ask("RECORD").status == 200
    return served


def test_options_names_every_method_that_is_answered() -> None:
    served = Served()
    public = served.ask("OPTIONS", "*").fields.get("Public").split(", ")
    assert len(public) == 10
    for method in public:
        assert served.ask(method).status != 501
    for method in ("REDIRECT", "FETCH", "options"):
        assert served.ask(method).status == 501


def test_describe_gives_the_tracks_and_the_base_of_their_addresses() -> None:
    served = Served()
    told = served.ask("DESCRIBE", f"{URI}?token=1", Accept="application/sdp", User_Agent="player")
    assert told.status == 200
    assert told.fields.get("Content-Base") == f"{URI}/"
    assert parse(told.body).tracks == parse(SDP.encode()).tracks
    (event,) = served.events
    assert event == DescribeRequested("live/cam", {"token": "1"}, "player")
    assert served.ask("DESCRIBE", Accept="text/html").status == 406
    assert served.ask("DESCRIBE", Accept="*/*").status == 200


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_a_status(refusal: Refusal) -> None:
    served = Served(session=lambda _: Refuse(refusal, "because\r\nX: y"))
    told = served.ask("DESCRIBE")
    assert told.status == status.REFUSALS[refusal]
    assert told.reason.endswith("becauseX: y")
    assert status.meaning(told.status) in Refusal
    assert served.hangup is None


def test_setups_are_answered_with_the_channels_that_were_asked_for() -> None:
    served = Served()
    first, second = served.set_up(TCP.format(4, 5), "RTP/AVP/TCP;unicast")
    assert first.fields.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=4-5"
    assert second.fields.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert first.fields.get("Session") == second.fields.get("Session")
    assert first.fields.get("Session").endswith(";timeout=60")
    again = served.ask("SETUP", f"{URI}/trackID=1", Transport=TCP.format(4, 5))
    assert again.fields.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"


def test_udp_setups_name_our_ports() -> None:
    served = playing((UDP, "RTP/AVP/UDP;unicast;client_port=6000-6001"))
    (asked,) = [event for event in served.events if isinstance(event, PlayRequested)]
    assert [str(setup.transport) for setup in asked.setups] == [
        "RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001",
        "RTP/AVP;unicast;client_port=6000-6001;server_port=8000-8001",
    ]


@pytest.mark.parametrize(
    "transport", ["RTP/AVP;multicast", "RTP/SAVP;unicast;client_port=1-2", "RTP/AVP;unicast", "RAW/RAW/UDP;unicast"]
)
def test_transports_that_are_refused(transport: str) -> None:
    served = Served()
    assert [told.status for told in served.set_up(transport)] == [461]
    offer = served.ask("SETUP", f"{URI}/trackID=0", Transport=f"{transport},{TCP.format(0, 1)}")
    assert offer.status == 200


def test_udp_is_refused_where_there_is_none_and_transports_are_not_mixed() -> None:
    served = Served(ServerRules())
    assert [told.status for told in served.set_up(UDP, TCP.format(0, 1))] == [461, 200]
    served = Served()
    assert [told.status for told in served.set_up(UDP, TCP.format(0, 1))] == [200, 461]


@pytest.mark.parametrize("control", ["trackID=7", "other"])
def test_a_track_that_is_not_there(control: str) -> None:
    served = Served()
    served.ask("DESCRIBE")
    told = served.ask("SETUP", f"{URI}er/{control}", Transport=UDP)
    assert told.status == 404
    assert served.ask("SETUP", f"{URI}/trackID=7", Transport=UDP).status == 404


def test_a_setup_without_a_describe_looks_the_stream_up() -> None:
    served = Served()
    assert served.ask("SETUP", f"{URI}/trackID=1", Transport=TCP.format(0, 1)).status == 200
    assert served.ask("PLAY").status == 200
    described, asked = served.events
    assert isinstance(described, DescribeRequested)
    assert described.path == "live/cam"
    assert isinstance(asked, PlayRequested)
    assert [setup.medium for setup in asked.setups] == [1]
    served = Served()
    assert served.ask("SETUP", f"{URI}/trackID=1", Transport="RTP/AVP;client_port=x").status == 400


def test_play_pause_play_and_tear_down() -> None:
    served = playing()
    assert served.server.state is State.PLAYING
    assert served.ask("PLAY").status == 200  # a keep-alive of some players
    assert served.told() == ["DescribeRequested", "PlayRequested"]
    assert served.ask("PAUSE").status == 200
    assert served.ask("PAUSE").status == 200
    assert served.ask("PLAY").status == 200
    assert served.ask("TEARDOWN").status == 200
    assert served.told() == ["DescribeRequested", "PlayRequested", "Paused", "PlayRequested", "Stopped"]
    assert served.ask("PLAY").status == 455
    assert served.ask("SETUP", f"{URI}/trackID=0", Transport=TCP.format(0, 1)).status == 200


def test_what_does_not_fit_the_state() -> None:
    served = Served()
    for method in ("PLAY", "RECORD", "PAUSE"):
        assert served.ask(method).status == 455
    served = playing()
    assert served.ask("SETUP", f"{URI}/trackID=0", Transport=UDP).status == 455
    assert served.ask("RECORD").status == 455
    assert served.ask("ANNOUNCE", body=SDP).status == 455
    assert served.ask("DESCRIBE").status == 200
    assert recording().ask("PLAY").status == 455


def test_parameters() -> None:
    served = playing()
    assert served.ask("GET_PARAMETER").status == 200
    assert served.ask("SET_PARAMETER", body="volume: 11\r\n").status == 451


def test_a_publisher_announces_records_and_sends() -> None:
    served = recording()
    announced, started = served.events
    assert isinstance(announced, AnnounceRequested)
    assert announced.description.tracks == parse(SDP.encode()).tracks
    assert isinstance(started, RecordStarted)
    served.receive(write_interleaved(0, b"a") + write_interleaved(3, b"b") + write_interleaved(9, b"c"))
    assert served.events[-1] == PacketsReceived((Packet(0, False, b"a"), Packet(1, True, b"b")))
    assert served.server.drops == {"unknown-channel": 1}
    served.command(SendPackets((Packet(1, True, b"report"), Packet(5, True, b"lost"))))
    assert served.frames() == [Interleaved(3, b"report")]
    assert served.server.drops["no-channel"] == 1
    assert served.ask("PAUSE").status == 200
    served.receive(write_interleaved(0, b"d"))
    assert served.server.drops["not-started"] == 1
    assert served.ask("RECORD").status == 200
    served.server.closed(1)
    served.settle()
    assert served.told()[-3:] == ["Paused", "RecordStarted", "Stopped"]


def test_requests_that_do_not_wait_for_answers() -> None:
    served = Served(session=lambda _: None)
    steps = [
        request("ANNOUNCE", URI, 1, SDP),
        request("SETUP", f"{URI}/trackID=0", 2, Transport=TCP.format(0, 1)),
        request("RECORD", URI, 3),
        write_interleaved(0, b"early"),
    ]
    served.receive(b"".join(steps))
    assert served.told() == ["AnnounceRequested"]
    assert served.sent == b""
    served.command(Accept())
    assert [told.status for told in served.answers()] == [200, 200, 200]
    assert served.events[-1] == PacketsReceived((Packet(0, False, b"early"),))


def test_an_announce_may_be_refused_and_made_again() -> None:
    answers: list[ServerCommand] = [Accept(), Refuse(Refusal.BUSY, "taken")]
    served = Served(session=lambda _: answers.pop())
    assert served.ask("ANNOUNCE", body=SDP).status == 409
    assert served.ask("ANNOUNCE", body=SDP).status == 200
    assert served.ask("ANNOUNCE", body=SDP).status == 455


@pytest.mark.parametrize(("body", "code"), [("hello", 400), ("v=0\r\nm=video 0 RTP/AVP 26\r\n", 415)])
def test_announcements_of_nothing(body: str, code: int) -> None:
    assert Served().ask("ANNOUNCE", body=body).status == code


def test_the_end_of_a_stream_hangs_up() -> None:
    served = playing()
    served.command(End(None, "the stream ended"))
    assert served.hangup is not None
    assert served.hangup.error is None
    served = playing()
    served.command(End(Refusal.LAGGED, "too slow"))
    assert served.hangup is not None
    assert isinstance(served.hangup.error, Refused)
    served.receive(request("OPTIONS"))
    served.command(Accept())
    assert served.told()[-1] == "Stopped"


def test_decisions_that_nothing_asked_for_are_defects() -> None:
    for command in (Accept(), Refuse(Refusal.BUSY, "")):
        with pytest.raises(ValueError, match="no such request"):
            Served().command(command)


def test_headers_that_are_judged() -> None:
    served = playing()
    assert served.ask("OPTIONS", Session=" wrong ").status == 454
    known = served.ask("OPTIONS").fields.get("Session")
    assert served.ask("OPTIONS", Session=f" {known} ").status == 200
    told = served.ask("OPTIONS", Require="onvif-replay")
    assert (told.status, told.fields.get("Unsupported")) == (551, "onvif-replay")
    served.sent.clear()
    served.receive(b"OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/2.0\r\nCSeq: 7\r\n\r\n")
    assert [one.status for one in served.answers()] == [400, 505]


ACCOUNTS = (
    Account("cam", "c", frozenset({Action.PUBLISH}), frozenset({"live"})),
    Account("eye", "e", frozenset({Action.PLAY})),
)


def authorised(served: Served, who: Credentials, method: str, uri: str = URI, **fields: str) -> int:
    """What a client that knows this password is answered, after the challenge."""
    first = served.ask(method, uri, **fields)
    assert first.status == 401
    challenge = read_challenges(first.fields.every("WWW-Authenticate"))[0]
    return served.ask(method, uri, **fields, Authorization=answer(challenge, who, method, uri)).status


def test_users() -> None:
    rules = ServerRules(udp_ports=(8000, 8001), access=Access(ACCOUNTS))
    cam, eye = Credentials("cam", "c"), Credentials("eye", "e")
    assert authorised(Served(rules), eye, "DESCRIBE") == 200
    assert authorised(Served(rules), cam, "DESCRIBE") == 403
    assert authorised(Served(rules), cam, "ANNOUNCE", body=SDP) == 200
    assert authorised(Served(rules), eye, "ANNOUNCE", body=SDP) == 403
    elsewhere = "rtsp://server.example/other/cam"
    assert authorised(Served(rules), cam, "ANNOUNCE", elsewhere, body=SDP) == 403
    assert authorised(Served(rules), Credentials("eye", "x"), "DESCRIBE") == 401
    assert authorised(Served(rules), eye, "SETUP", f"{URI}/trackID=0", Transport=UDP) == 200
    assert Served(rules).ask("OPTIONS").status == 200
    open_play = ServerRules(access=Access(ACCOUNTS, frozenset({Action.PLAY})))
    assert Served(open_play).ask("DESCRIBE").status == 200
    assert Served(open_play).ask("ANNOUNCE", body=SDP).status == 401


def test_every_step_needs_its_credentials() -> None:
    rules = ServerRules(access=Access(ACCOUNTS))
    served = Served(rules)
    eye = Credentials("eye", "e")
    assert authorised(served, eye, "DESCRIBE") == 200
    assert served.ask("SETUP", f"{URI}/trackID=0", Transport=TCP.format(0, 1)).status == 401
    assert authorised(served, eye, "SETUP", f"{URI}/trackID=0", Transport=TCP.format(0, 1)) == 200
    assert served.ask("PLAY").status == 401
    assert authorised(served, eye, "PLAY") == 200


def test_who_guesses_passwords_is_cut_off() -> None:
    served = Served(ServerRules(access=Access(ACCOUNTS)))
    for _ in range(8):
        assert served.ask("DESCRIBE").status == 401
    assert served.hangup is not None


def test_a_body_in_pieces_is_one_request() -> None:
    served = Served()
    data = request("ANNOUNCE", URI, 1, SDP)
    served.receive(data[:-20])
    assert served.told() == []
    served.receive(data[-20:])
    assert served.told() == ["AnnounceRequested"]
    assert isinstance(Request("A", "b").fields.get("x"), str)
