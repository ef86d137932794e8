"""A push over WHIP in virtual time: what the target gets, what it is told at the end, and what goes wrong."""

import asyncio
import dataclasses

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import PublishHeld
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.push import PushEnded, PushFailed, PushStarted
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.feedback import Nack, Pli
from arcly_actors.protocols.rtp.reporting import SenderReport
from arcly_actors.protocols.rtp.rtcp import parse as parse_rtcp
from arcly_actors.protocols.webrtc.agreement import Publish
from arcly_actors.protocols.webrtc.sdp import parse
from arcly_actors.runtime import Exited, System
from arcly_actors.transport.http_client import HttpCall, HttpFailed, HttpReply
from arcly_actors.transport.ice_agent import Relay, RemoteCandidate
from tests.bus.stage import KEY
from tests.support.rtc_door import play
from tests.support.rtp_viewing import PICTURES, SOUND
from tests.support.virtual import in_virtual_time, pass_time
from tests.support.whip_target import SESSION, Target

ENDPOINT = "https://target.example/live/secret-of-the-path/whip"
ANY_H265 = Track(0, CodecId.H265)


def refused(status: int, body: str = "", kind: str = "text/plain") -> HttpReply:
    return HttpReply(status, (("Content-Type", kind),), body.encode())


@in_virtual_time
async def test_the_target_gets_pictures_and_sound_from_a_keyframe_on(system: System) -> None:
    target = Target(system)
    await target.open()
    sent = await play(target.source, 15)
    await target.connect()
    sent += await play(target.source, 30)
    assert target.names() == sent[10:]
    assert len(target.names(Kind.AUDIO)) == 60
    (report,) = target.stage.bus.reports()
    assert [(seat.protocol, seat.peer) for seat in report.seats] == [("push-whip", "whip:https://target.example/***")]
    reports = [each for sent in target.transport.rtcp for each in parse_rtcp(sent.data) if isinstance(each, SenderReport)]
    assert {each.ssrc for each in reports} == {target.ssrc(Kind.VIDEO), target.ssrc(Kind.AUDIO)}


@in_virtual_time
async def test_it_is_repaired_and_asks_for_keyframes_as_viewers_are(system: System) -> None:
    target = Target(system)
    await target.open()
    await play(target.source, 5)
    await target.connect()
    await play(target.source, 5)
    first = target.transport.rtp[0].data
    before = len(target.transport.rtp)
    target.tell(Nack(1, target.ssrc(Kind.VIDEO), (rtp.parse(first).sequence,)))
    await pass_time(NS_PER_MS)
    (again,) = target.transport.rtp[before:]
    assert rtp.parse(again.data).payload[2:] == rtp.parse(first).payload  # RTX: its number goes before
    wanted = len(target.source.wanted)
    await pass_time(NS_PER_S)
    target.tell(Pli(1, target.ssrc(Kind.VIDEO)))
    await pass_time(NS_PER_S)
    assert len(target.source.wanted) > wanted


@in_virtual_time
async def test_the_offer_only_sends_and_has_all_candidates(system: System) -> None:
    target = Target(system)
    await target.open()
    await target.connect(token="sesame")
    (call,) = target.calls
    assert (call.method, call.url) == ("POST", ENDPOINT)
    assert call.headers == {
        "Content-Type": "application/sdp",
        "Accept": "application/sdp",
        "Authorization": "Bearer sesame",
    }
    assert "sesame" not in repr(call)
    assert "secret" not in repr(call)
    offer = parse(call.body.decode())
    assert [section.kind for section in offer.sections] == ["video", "audio"]
    for section in offer.sections:
        assert section.find("sendonly") == section.find("rtcp-mux") == ""
        assert section.find("setup") == "actpass"
    assert offer.sections[0].find("candidate") == "1 1 udp 2130706175 192.0.2.9 5000 typ host"
    assert offer.sections[0].find("end-of-candidates") == ""
    assert [(gather.host, gather.port) for gather in target.gathered] == [("target.example", 443)]
    (reach,) = target.reached
    assert (reach.lite, reach.remote.active, reach.relay) == (True, True, None)
    assert reach.candidates[0] == RemoteCandidate("1", 2130706175, "192.0.2.7", 8189)


@in_virtual_time
async def test_user_and_password_of_the_url_are_sent_as_such(system: System) -> None:
    target = Target(system)
    await target.open()
    await target.connect("whips://user:p%40ss@target.example:8443/whip")
    (call,) = target.calls
    assert (call.url, call.headers["Authorization"]) == ("https://target.example:8443/whip", "Basic dXNlcjpwQHNz")


@in_virtual_time
async def test_a_relay_of_the_servers_is_used(system: System) -> None:
    target = Target(system)
    target.links = (
        '<stun:stun.example>; rel="ice-server"',
        '<turn:turn.example?transport=tcp>; rel="ice-server"; username="u"; credential="c"; credential-type="password"',
    )
    await target.open()
    await target.connect()
    assert target.reached[0].relay == Relay("turn.example", 3478, "u", "c", "tcp")


@in_virtual_time
async def test_the_end_of_the_stream_is_told_to_the_target(system: System) -> None:
    target = Target(system)
    await target.open()
    await play(target.source, 5)
    transport = await target.connect(token="sesame")
    await target.source.leave()
    await pass_time(NS_PER_S)
    assert target.stage.of(PublishHeld)
    assert target.owner.of(PushEnded) == []  # it may go on
    target.stage.bus.end(KEY, "over")
    assert await target.owner.next(PushEnded) == PushEnded("over")
    await target.settle()
    assert target.asked == [("POST", ENDPOINT), ("DELETE", SESSION)]
    assert target.calls[1].headers == {"Authorization": "Bearer sesame"}
    assert transport.closed is not None
    assert target.owner.of(PushFailed) == []


@in_virtual_time
async def test_who_stops_it_has_the_target_told(system: System) -> None:
    target = Target(system)
    await target.open()
    await target.connect()
    await target.push.stop(block=False)
    await target.settle()
    assert target.asked[-1] == ("DELETE", SESSION)


@pytest.mark.parametrize(
    "tracks",
    [(ANY_H265, SOUND), (PICTURES,), (PICTURES, SOUND, dataclasses.replace(SOUND, id=2)), (PICTURES, SOUND)],
    ids=["codec", "fewer", "a second sound", "the same"],
)
@in_virtual_time
async def test_other_codecs_and_kinds_end_it(system: System, tracks: tuple[Track, ...]) -> None:
    target = Target(system)
    await target.open()
    await target.connect()
    target.source.announce(tracks)
    await pass_time(5 * NS_PER_S)
    same = {track.codec for track in tracks} == {CodecId.H264, CodecId.OPUS}
    assert target.owner.of(PushEnded) == ([] if same else [PushEnded("its tracks changed")])


@in_virtual_time
async def test_another_configuration_goes_along(system: System) -> None:
    target = Target(system)
    await target.open()
    await play(target.source, 5)
    await target.connect()
    larger = dataclasses.replace(PICTURES, configuration=PICTURES.configuration.replace(b"\x1e", b"\x1f"), width=1280)
    target.source.announce((larger, SOUND))
    await pass_time(5 * NS_PER_S)
    assert target.owner.of(PushEnded) == []


@in_virtual_time
async def test_sound_that_comes_later_begins_it_anew(system: System) -> None:
    target = Target(system)
    await target.open((PICTURES,))
    await target.connect()
    target.source.announce((PICTURES, SOUND))
    assert await target.owner.next(PushEnded) == PushEnded("its tracks changed")


@in_virtual_time
async def test_a_connection_that_is_lost(system: System) -> None:
    target = Target(system)
    await target.open()
    transport = await target.connect()
    transport.end("the peer is gone")
    assert await target.owner.next(PushFailed) == PushFailed("the peer is gone")
    await target.settle()
    assert target.asked[-1] == ("DELETE", SESSION)


@in_virtual_time
async def test_a_connection_that_is_lost_before_it_was_known(system: System) -> None:
    target = Target(system)
    target.stillborn = "no way to the server was found"
    await target.open()
    await target.begin()
    assert await target.owner.next(PushFailed) == PushFailed("no way to the server was found")
    await target.settle()
    assert target.asked[-1] == ("DELETE", SESSION)


@in_virtual_time
async def test_one_that_crashes_leaves_nothing(system: System) -> None:
    target = Target(system)
    await target.open()
    await target.connect()
    target.stage.crash(target.push)
    assert (await target.owner.next(Exited)).error is not None
    await target.settle()
    assert target.asked[-1] == ("DELETE", SESSION)


@in_virtual_time
async def test_one_that_is_stopped_while_it_asks_leaves_nothing(system: System) -> None:
    async def silence(_: HttpCall) -> HttpReply:
        await asyncio.Event().wait()
        raise AssertionError

    target = Target(system)
    target.replies.append(silence)
    await target.open()
    await target.begin()
    await target.push.stop(block=False)
    await target.settle()
    assert target.asked == [("POST", ENDPOINT)]


@in_virtual_time
async def test_a_server_that_does_not_answer(system: System) -> None:
    async def silence(_: HttpCall) -> HttpReply:
        await asyncio.Event().wait()
        raise AssertionError

    target = Target(system)
    target.replies.append(silence)
    await target.open()
    await target.begin()
    await pass_time(limits.WHIP_SIGNALLING)
    assert await target.owner.next(PushFailed) == PushFailed("the server did not answer the offer in time")
    await target.settle()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HttpFailed("target.example: connection refused"), "target.example: connection refused"),
        (refused(403, "no  entry for sesame,\n at secret-of-the-path"), "403 Forbidden: no entry for ***, at ***"),
        (refused(404, '{"detail": "no such stream"}', "application/problem+json"), "404 Not Found: no such stream"),
        (refused(500, "<html>sorry", "text/html"), "500 Internal Server Error"),
        (refused(799, "x" * 1000), "799: " + "x" * limits.SERVER_WORDS),
        (refused(200, "v=0"), "the server answered 200; only 201 begins a session"),
        (refused(301), "the server answered 301 Moved Permanently"),
        (refused(307), "the server answered 307 and does not say where to"),
        (HttpReply(201, (), b"\xff"), "the answer is not UTF-8"),
        (HttpReply(201, (), b"v=0 no"), "the description"),
        (HttpReply(201, (), b"v" * (limits.SDP_CHARACTERS + 1)), "an answer of more than"),
        (HttpReply(201, (("Location", "ftp://target.example/x"),), b""), "Location is not one of HTTPS"),
        (HttpReply(201, (("Location", "http://target.example/x"),), b""), "Location is not one of HTTPS"),
        (HttpReply(201, (("Location", "https://[/x"),), b""), "Location is no URL"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
@in_virtual_time
async def test_what_a_server_refuses_is_told_without_secrets(
    system: System, reply: HttpReply | HttpFailed, words: str
) -> None:
    target = Target(system)
    target.replies.append(reply)
    await target.open()
    await target.begin(token="sesame")
    failed = await target.owner.next(PushFailed)
    assert words in failed.detail
    assert len(failed.detail) < 2 * limits.SERVER_WORDS
    assert target.owner.of(PushStarted) == []
    await target.settle()


@in_virtual_time
async def test_a_session_whose_answer_cannot_be_used_is_given_back(system: System) -> None:
    target = Target(system)
    target.replies.append(HttpReply(201, (("Location", "/session/1"),), b"v=1"))
    await target.open()
    await target.begin()
    await target.owner.next(PushFailed)
    await target.settle()
    assert target.asked == [("POST", ENDPOINT), ("DELETE", SESSION)]


@in_virtual_time
async def test_redirects_are_followed_and_the_token_stays_at_home(system: System) -> None:
    target = Target(system)
    for status, where in ((307, "other"), (308, "https://elsewhere.example/whip")):
        target.replies.append(HttpReply(status, (("location", where),)))
    await target.open()
    await target.connect(token="sesame")
    assert [call.url for call in target.calls] == [
        ENDPOINT,
        "https://target.example/live/secret-of-the-path/other",
        "https://elsewhere.example/whip",
    ]
    assert len({call.body for call in target.calls}) == 1
    assert ["Authorization" in call.headers for call in target.calls] == [True, True, False]


@in_virtual_time
async def test_redirects_in_a_circle_end(system: System) -> None:
    target = Target(system)
    target.replies += [HttpReply(307, (("Location", "/again"),))] * 10
    await target.open()
    await target.begin()
    assert await target.owner.next(PushFailed) == PushFailed(f"more than {limits.WHIP_REDIRECTS} redirects")
    assert len(target.calls) == limits.WHIP_REDIRECTS + 1


@in_virtual_time
async def test_a_track_that_the_server_does_not_take_is_left_out(system: System) -> None:
    async def without_sound(call: HttpCall) -> HttpReply:
        taken = target.take(call)
        return dataclasses.replace(taken, body=taken.body.replace(b"m=audio 9", b"m=audio 0"))

    target = Target(system)
    target.replies.append(without_sound)
    await target.open()
    await play(target.source, 5)
    await target.begin()
    target.transport.connect()
    assert await target.owner.next(PushStarted) == PushStarted("without opus, which the target does not take")
    await play(target.source, 5)
    assert {rtp.parse(sent.data).ssrc for sent in target.transport.rtp} == {target.ssrc(Kind.VIDEO)}
    await pass_time(10 * NS_PER_S)
    assert target.owner.of(PushEnded) == []


@in_virtual_time
async def test_a_server_that_takes_nothing(system: System) -> None:
    async def nothing(call: HttpCall) -> HttpReply:
        taken = target.take(call)
        return dataclasses.replace(taken, body=taken.body.replace(b" 9 UDP", b" 0 UDP"))

    target = Target(system, Publish())
    target.replies.append(nothing)
    await target.open()
    await target.begin()
    failed = await target.owner.next(PushFailed)
    assert failed == PushFailed("the target takes none of the stream's tracks (H264, opus)")
    await target.settle()


@in_virtual_time
async def test_what_has_no_way_to_the_server(system: System) -> None:
    target = Target(system)
    target.routed = False
    await target.open()
    await target.begin()
    assert await target.owner.next(PushFailed) == PushFailed("this machine has no address to send from")
    assert target.calls == []
    await target.settle()


@in_virtual_time
async def test_an_answer_without_an_address_that_can_be_used(system: System) -> None:
    async def names_only(call: HttpCall) -> HttpReply:
        taken = target.take(call)
        hidden = taken.body.replace(b" 192.0.2.7 ", b" name.local ").replace(b" udp 2130705919", b" tcp 2130705919")
        return dataclasses.replace(taken, body=hidden)

    target = Target(system)
    target.replies.append(names_only)
    await target.open()
    await target.begin()
    assert await target.owner.next(PushFailed) == PushFailed("the answer has no address that can be reached over UDP")
    await target.settle()


@in_virtual_time
async def test_a_stream_that_webrtc_cannot_carry(system: System) -> None:
    target = Target(system)
    await target.open((Track(0, CodecId.FLAC, sample_rate=48_000, channels=2),))
    await target.begin()
    assert await target.owner.next(PushFailed) == PushFailed("the stream has nothing that WebRTC carries")
    await target.settle()


@in_virtual_time
async def test_a_stream_that_went_away_meanwhile_is_no_failure(system: System) -> None:
    target = Target(system)
    await target.begin()
    assert (await target.owner.next(PushEnded)).reason
    assert target.owner.of(PushFailed) == []
    await target.settle()
