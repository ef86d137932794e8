"""WHIP and WHEP over HTTP: statuses, headers, and what is there before and after each of them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from arcly_actors.clock import SystemClock, SystemEntropy
from arcly_actors.endpoints.webrtc_routes import WebRtcRoutes
from arcly_actors.protocols.webrtc.resource import IceServer
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.http import HttpSite
from arcly_actors.transport.listener import WhereBound
from tests.bus.stage import KEY
from tests.support.rtc_door import WHEP_OFFER, WHIP_OFFER, Door
from tests.support.rtp_viewing import PICTURES, SOUND
from tests.support.virtual import ask
from tests.support.waiting import until

Client = TestClient[web.Request, web.Application]
SDP, FRAGMENT = {"Content-Type": "application/sdp"}, {"Content-Type": "application/trickle-ice-sdpfrag"}
SERVERS = (IceServer("stun:stun.example.net:3478"), IceServer("turn:turn.example.net:3478", "user", "secret"))
WHIP, WHEP = f"/{KEY}/whip", f"/{KEY}/whep"


def fragment(ufrag: str = "h0qZ", pwd: str = "kU1WCwJEgQNJKMCk2g19tllr") -> str:
    return (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2122260223 192.0.2.9 5000 typ host\r\n"
    )


@contextlib.asynccontextmanager
async def site(most: int = 100) -> AsyncIterator[tuple[Door, Client]]:
    """A door on the real loop, with its routes behind a server."""
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    door = Door(system, most=most)
    application = web.Application()
    application.add_routes(WebRtcRoutes(door.sessions, SERVERS).definitions())
    try:
        async with TestClient(TestServer(application)) as client:
            yield door, client
    finally:
        for ref in reversed(system.actors()):
            if ref.is_alive():
                await ref.stop(block=False)


async def test_a_whip_session_from_its_offer_to_its_end() -> None:
    async with site() as (door, client):
        async with client.post(WHIP, data=WHIP_OFFER, headers=SDP) as response:
            assert response.status == 201, await response.text()
            assert response.content_type == "application/sdp"
            assert "a=recvonly" in await response.text()
            assert response.headers["Cache-Control"] == "no-store"
            location, etag = response.headers["Location"], response.headers["ETag"]
            assert location.startswith(f"{WHIP}/")
            assert response.headers.getall("Link") == [server.link for server in SERVERS]
        assert door.stage.names()[-1] == "PublishStarted", "the slot is claimed before the answer"
        assert len(door.transports) == 1

        trickle = {**FRAGMENT, "If-Match": etag}
        same = fragment("0rA7", "x" * 24)
        session = next(iter(door.sessions._sessions.values()))
        assert session.remote is not None
        same = fragment(session.remote.ufrag, session.remote.pwd)
        async with client.patch(location, data=same, headers=trickle) as response:
            assert response.status == 204, await response.text()
        async with client.patch(location, data=same, headers=FRAGMENT) as response:
            assert response.status == 428
        async with client.patch(location, data=same, headers={**FRAGMENT, "If-Match": '"old"'}) as response:
            assert response.status == 412
        async with client.patch(location, data=same, headers={**SDP, "If-Match": etag}) as response:
            assert response.status == 415
        anew = fragment("new1", "n" * 24)
        async with client.patch(location, data=anew, headers={**FRAGMENT, "If-Match": "*"}) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "application/trickle-ice-sdpfrag"
            assert response.headers["ETag"] != etag
            text = await response.text()
        assert f"a=ice-ufrag:{door.transports[0].local.ufrag}" in text
        assert door.transports[0].remote is not None
        assert door.transports[0].remote.ufrag == "new1"
        async with client.patch(location, data=same, headers=trickle) as response:
            assert response.status == 412, "that was the generation before"
        async with client.get(location) as response:
            assert response.status == 204
        async with client.put(location) as response:
            assert response.status == 405
            assert "DELETE" in response.headers["Allow"]

        async with client.delete(location) as response:
            assert response.status == 200
        assert len(door.sessions) == 0
        assert door.transports[0].closed is not None
        assert door.stage.names()[-1] == "PublishHeld"
        for method in ("DELETE", "PATCH"):
            async with client.request(method, location, data=same, headers=trickle) as response:
                assert response.status == 404


async def test_a_whep_session_needs_a_stream_that_is_live() -> None:
    async with site() as (door, client):
        async with client.post(WHEP, data=WHEP_OFFER, headers=SDP) as response:
            assert response.status == 409
            assert response.headers["Retry-After"] == "2"
            assert json.loads(await response.text())["status"] == 409
        async with client.post("/nowhere/cam/whep", data=WHEP_OFFER, headers=SDP) as response:
            assert response.status == 404
        await door.publish()
        async with client.post(WHEP, data=WHEP_OFFER, headers=SDP) as response:
            assert response.status == 201
            location = response.headers["Location"]
            assert "a=sendonly" in await response.text()
        other = location.replace("/whep/", "/whip/")
        async with client.delete(other) as response:
            assert response.status == 404, "it is no sender's"
        async with client.delete(location.replace("/cam/", "/other/")) as response:
            assert response.status == 404, "it is no viewer of that"
        assert len(door.sessions) == 1
        async with client.delete(location) as response:
            assert response.status == 200
        door.check_sessions()


async def test_a_slot_that_is_taken_and_an_application_that_is_not_there() -> None:
    async with site() as (door, client):
        async with client.post("/nowhere/cam/whip", data=WHIP_OFFER, headers=SDP) as response:
            assert response.status == 404
        await door.publish()
        async with client.post(WHIP, data=WHIP_OFFER, headers=SDP) as response:
            assert response.status == 409
            assert "Retry-After" not in response.headers
        door.check_sessions()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, WHIP_OFFER, 415),
        ({**SDP, "Accept": "application/json"}, WHIP_OFFER, 406),
        (SDP, "", 400),
        (SDP, "v=0\r\n", 400),
        (SDP, WHIP_OFFER.replace("a=ice-pwd", "a=nothing"), 400),
        (SDP, b"\xff\xfe", 400),
        (SDP, WHIP_OFFER.replace("H264/90000", "H267/90000"), 422),
        (SDP, WHIP_OFFER.replace("a=sendonly", "a=recvonly"), 422),
        (SDP, "v=0\r\n" * 20_000, 413),
    ],
    ids=["type", "accept", "empty", "cut", "no password", "not text", "codec", "direction", "long"],
)
async def test_offers_that_are_declined_leave_nothing(headers: dict[str, str], body: str | bytes, status: int) -> None:
    async with site() as (door, client):
        async with client.post(WHIP, data=body, headers=headers) as response:
            assert response.status == status, await response.text()
        door.check_sessions()
        assert [each for each in door.transports if each.closed is None] == []
        async with client.post(WHIP, data=WHIP_OFFER, headers=SDP) as response:
            assert response.status == 201, "the slot was given back"


async def test_a_player_that_cannot_take_what_the_stream_has() -> None:
    async with site() as (door, client):
        await door.publish()
        for offer in (WHEP_OFFER.replace("H264/90000", "H267/90000"), WHIP_OFFER):
            async with client.post(WHEP, data=offer, headers=SDP) as response:
                assert response.status == 422, await response.text()
        async with client.post(WHEP, data=WHEP_OFFER.replace("sha-256", "crc-32"), headers=SDP) as response:
            assert response.status in {400, 422}
        door.check_sessions()


async def test_methods_that_are_not_for_it_and_options() -> None:
    async with site() as (_, client):
        for path, methods in ((WHIP, "POST"), (f"{WHEP}/none", "PATCH")):
            async with client.options(path) as response:
                assert response.status == 200
                assert methods in response.headers["Allow"]
            async with client.put(path, data="") as response:
                assert response.status in {404, 405}
        async with client.options(WHIP) as response:
            assert response.headers["Accept-Post"] == "application/sdp"
        async with client.get(WHIP) as response:
            assert (response.status, await response.read()) == (200, b"")
        async with client.delete(WHEP) as response:
            assert response.status == 405


async def test_a_session_belongs_to_the_token_that_opened_it() -> None:
    async with site() as (_, client):
        bearer = {"Authorization": "Bearer mine"}
        async with client.post(WHIP, data=WHIP_OFFER, headers={**SDP, **bearer}) as response:
            location = response.headers["Location"]
        async with client.delete(location) as response:
            assert response.status == 401
        async with client.delete(location, headers=bearer) as response:
            assert response.status == 200


async def test_no_more_sessions_than_the_limit() -> None:
    async with site(most=2) as (door, client):
        await door.publish()
        locations = []
        for _ in range(2):
            async with client.post(WHEP, data=WHEP_OFFER, headers=SDP) as response:
                assert response.status == 201
                locations.append(response.headers["Location"])
        async with client.post(WHEP, data=WHEP_OFFER, headers=SDP) as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "2"
        assert len(door.sessions) == 2
        async with client.delete(locations[0]) as response:
            assert response.status == 200
        async with client.post(WHEP, data=WHEP_OFFER, headers=SDP) as response:
            assert response.status == 201


async def test_a_client_that_hangs_up_while_it_waits_leaves_nothing() -> None:
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    door = Door(system)
    source = await door.stage.publish(tracks=())
    routes = WebRtcRoutes(door.sessions, ()).definitions()
    http = HttpSite.start(system, [Address("127.0.0.1", 0)], routes, budget=Budget(), complain=lambda _complaint: None)
    try:
        (bound,) = await ask(http, WhereBound())
        _, writer = await asyncio.open_connection(bound.host, bound.port)
        fields = ["Host: here", "Content-Type: application/sdp", f"Content-Length: {len(WHEP_OFFER)}"]
        writer.write("\r\n".join([f"POST {WHEP} HTTP/1.1", *fields, "", WHEP_OFFER]).encode())
        await until(lambda: len(door.sessions) == 1)
        writer.close()
        await until(lambda: len(door.sessions) == 0)
        source.announce((PICTURES, SOUND))
        await until(lambda: not door.stage.actors("WhepSession"))
        door.check_sessions()
        assert door.transports == []
    finally:
        for ref in reversed(system.actors()):
            if ref.is_alive():
                await ref.stop(block=False)
