"""A WHIP server for pushes without a network: HTTP answers by script, transports that watch over what they are sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pykka

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.push import PushRequest, PushStarted
from arcly_actors.egress.rtp_feed import RtpFeeds
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.egress.whip_push import WhipPush
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.rtcp import RtcpPacket
from arcly_actors.protocols.webrtc.agreement import Publish
from arcly_actors.protocols.webrtc.formats import CODECS
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.protocols.webrtc.sdp import parse
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import Fingerprint, IceCredentials
from arcly_actors.transport.http_client import HttpCall, HttpFailed, HttpReply
from arcly_actors.transport.urls import Url
from arcly_actors.transport.webrtc_dial import Gather, LocalEnd, Reach
from tests.bus.stage import KEY, Source, Stage
from tests.protocols.webrtc.offers import LOCAL
from tests.support.rtc_door import AsItIs
from tests.support.rtp_viewing import PICTURES, SOUND, WatchedTransport, name
from tests.support.virtual import Probe, pass_time

URL = "whip:https://target.example/live/secret-of-the-path/whip"
SESSION = "https://target.example/session/1"
Reply = HttpReply | HttpFailed | Callable[[HttpCall], Awaitable[HttpReply]]


class _Dialled(WatchedTransport):
    """Its dial ends with it."""

    dial: pykka.ActorRef[Any]

    def end(self, reason: str, error: BaseException | None = None) -> None:
        super().end(reason, error)
        self.dial.stop(block=False)


class ScriptedDial(LoopActor):
    """Hands out one transport, and ends it with its owner, as the real one does."""

    def __init__(self, system: System, target: "Target") -> None:
        super().__init__(system)
        self._target = target

    @receives(Gather)
    def gather(self, message: Gather) -> LocalEnd:
        self._target.gathered.append(message)
        hosts = (Address("192.0.2.9", 5000),) if self._target.routed else ()
        return LocalEnd(IceCredentials("ours", "o" * 24), Fingerprint("sha-256", ":".join(["5C"] * 32)), hosts)

    @receives(Reach)
    def reach(self, message: Reach) -> WatchedTransport:
        made = _Dialled(self.system)
        made.dial = self.actor_ref
        made.attach(message.owner)
        self.watch(message.owner)
        self._target.reached.append(message)
        self._target.transports.append(made)
        if self._target.stillborn:
            made.end(self._target.stillborn)
        return made

    @receives(Exited)
    def owner_gone(self, exited: Exited) -> None:
        self._target.transport.end(exited.reason or "its session ended")


class Target:
    """See the module. What is in `replies` is answered first, then each offer is taken and each DELETE is fine."""

    def __init__(self, system: System, publish: Publish = Publish()) -> None:  # noqa: B008 - a frozen value
        self.system = system
        self.stage = Stage(system)
        self.feeds = RtpFeeds(system, CODECS)
        self.places = WhepPlaces(self.stage.bus, self.feeds, AsItIs())
        self.owner = Probe(system)
        self.publish = publish
        self.calls: list[HttpCall] = []
        self.replies: deque[Reply] = deque()
        self.gathered: list[Gather] = []
        self.reached: list[Reach] = []
        self.transports: list[WatchedTransport] = []
        self.routed = True
        self.stillborn = ""
        self.links: tuple[str, ...] = ()
        self.source: Source
        self.push: pykka.ActorRef[Any]

    async def open(self, tracks: tuple[Track, ...] = (PICTURES, SOUND), *, keyframes: bool = True) -> None:
        """Publish the stream."""
        self.source = await self.stage.publish(tracks=tracks, keyframes=keyframes)

    async def begin(self, url: str = URL, token: str = "") -> None:
        """Start the push, and let it get as far as it does by itself."""
        request = PushRequest(KEY, Url.parse(url, keyed=True), token=token)
        self.push = WhipPush.start(
            self.system,
            self.stage.bus,
            request,
            self.owner.ref,
            self.places,
            ask=self._ask,
            dial=lambda system, _note: ScriptedDial.start(system, self),
        )
        self.owner.watch(self.push)
        await pass_time(NS_PER_MS)

    async def connect(self, url: str = URL, token: str = "") -> WatchedTransport:
        """The same, up to a connection that stands."""
        await self.begin(url, token)
        self.transport.connect()
        await self.owner.next(PushStarted)
        return self.transport

    @property
    def transport(self) -> WatchedTransport:
        return self.transports[-1]

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(call.method, call.url) for call in self.calls]

    def names(self, kind: Kind = Kind.VIDEO) -> list[str]:
        """The frames that the target puts together; no number may be missing."""
        ssrc = self.ssrc(kind)
        depacketiser = FORMATS[CodecId.H264 if kind is Kind.VIDEO else CodecId.OPUS].depacketiser()
        packets = [packet for sent in self.transport.rtp if (packet := rtp.parse(sent.data)).ssrc == ssrc]
        assert self.transport.nonces.gaps(ssrc) == []
        return [name(unit.payload) for packet in packets for unit in depacketiser.push(packet)]

    def ssrc(self, kind: Kind) -> int:
        """What the offer says that it is sent with."""
        offer = parse(self.calls[0].body.decode())
        section = next(each for each in offer.sections if each.kind == kind.value)
        return int((section.find("ssrc") or "").split()[0])

    def tell(self, *packets: RtcpPacket) -> None:
        """RTCP from the target."""
        self.transport.arrive(rtcp.build(*packets), rtcp=True)

    async def settle(self) -> None:
        """Nothing of a push is left."""
        await pass_time(NS_PER_MS)
        kinds = {ref.actor_class.__name__ for ref in self.system.actors()}
        assert not {"WhipPush", "ScriptedDial", "Farewell"} & kinds, kinds
        assert (self.feeds._feeds, self.feeds._users) == ({}, {})
        assert [each for each in self.transports if each.closed is None] == []
        assert [seat for report in self.stage.bus.reports() for seat in report.seats] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _ask(self, call: HttpCall, verify: bool) -> HttpReply | HttpFailed:
        assert verify
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.replies:
            reply = self.replies.popleft()
            return reply if isinstance(reply, HttpReply | HttpFailed) else await reply(call)
        return HttpReply(200) if call.method == "DELETE" else self.take(call)

    def take(self, call: HttpCall) -> HttpReply:
        """The offer is good."""
        negotiation = answer(call.body.decode(), self.publish, LOCAL)
        links = tuple(("Link", each) for each in self.links)
        return HttpReply(201, (("Location", SESSION), ("ETag", '"x"'), *links), negotiation.answer.text().encode())
