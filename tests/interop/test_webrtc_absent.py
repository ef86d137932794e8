"""Clients that get an answer and never come, and offers that get none: what is given back, and what a reader is told."""

from pathlib import Path

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import PublishHeld, SubscriberJoined, SubscriberLeft
from arcly_actors.clock import NS_PER_S
from tests.support.bars import bars, broadcasting
from tests.support.live import live
from tests.support.signalling import Declined, delete_session, post_offer

pytestmark = pytest.mark.interop

_OFFERS = Path(__file__).parents[1] / "data" / "webrtc"
_UNREACHED = "no ICE check came in time: can its peer reach the UDP port?"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second instead of ten, for a handshake and for looking whether it is over."""
    monkeypatch.setattr(limits, "DTLS_TIMEOUT", NS_PER_S // 2)
    monkeypatch.setattr(limits, "UDP_SWEEP", NS_PER_S // 4)


def recorded(name: str) -> str:
    """What Chromium offered once."""
    (path,) = _OFFERS.glob(f"chromium-*-{name}.sdp")
    return path.read_text()


@pytest.mark.usefixtures("impatient")
async def test_a_sender_that_never_comes_gives_the_slot_back() -> None:
    async with live() as server:
        url = server.http("live/cam/whip")
        answered = await post_offer(url, recorded("whip"))
        with pytest.raises(Declined, match="live/cam is being published already") as declined:
            await post_offer(url, recorded("whip"))
        assert declined.value.status == 409
        assert (await server.event(PublishHeld)).reason == _UNREACHED
        assert await delete_session(answered.url) == 404
        again = await post_offer(url, recorded("whip"))
        assert await delete_session(again.url) == 200


@pytest.mark.usefixtures("impatient")
async def test_a_viewer_that_never_comes_gives_its_seat_back() -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars()):
        answered = await post_offer(server.http("live/cam/whep"), recorded("whep"))
        await server.event(SubscriberJoined)
        assert server.seats("whep") == 1
        assert (await server.event(SubscriberLeft)).reason == _UNREACHED
        assert server.seats() == 0
        assert await delete_session(answered.url) == 404


@pytest.mark.parametrize(
    ("path", "offer", "status", "words"),
    [
        ("live/cam/whep", "rubbish", 400, "not a line of a description: 'rubbish'"),
        ("live/none/whep", recorded("whep"), 409, "nobody publishes live/none"),
        ("nope/cam/whep", recorded("whep"), 404, "no application 'nope' here; there is live"),
        ("live/cam/whip", recorded("whip"), 409, "live/cam is being published already"),
        ("live/new/whip", recorded("whep"), 422, "the offer sends nothing"),
        ("live/cam/whep", recorded("whip"), 422, "the offer receives nothing that the stream has"),
        ("live/cam/whep", recorded("whep").replace("H264", "H999"), 422, "the stream's video is H264; the offer takes"),
        ("live/cam/whep", recorded("whep").replace("=fingerprint", "=x"), 400, "no fingerprint"),
    ],
    ids=["rubbish", "absent", "application", "busy", "receives", "sends", "codec", "fingerprint"],
)
async def test_who_is_declined_is_told_why(path: str, offer: str, status: int, words: str) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars()):
        with pytest.raises(Declined, match=words) as declined:
            await post_offer(server.http(path), offer)
        assert declined.value.status == status
        assert server.seats() == 0
        assert server.log == []
