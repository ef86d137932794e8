"""WHIP push: our own client sends a stream to a WHIP endpoint elsewhere (RFC 9725), as RTP that WHEP viewers share.

It is a WebRTC viewer like those of `whep`, but one that we dial: seat, feed, repair, reports and keyframes are theirs.
What differs is how the transport is opened (we offer), and the end: nobody restarts this actor, its sink makes another.
"""

import asyncio
import base64
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

import pykka

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.egress.whep import Linked, Player, WhepPlaces, WhepSession
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.webrtc.agreement import LocalParameters, Play
from arcly_actors.protocols.webrtc.candidate import Candidate, host_candidates
from arcly_actors.protocols.webrtc.description import Fingerprint, Peer
from arcly_actors.protocols.webrtc.ice_servers import turn_servers
from arcly_actors.protocols.webrtc.pushing import push_answer, push_offer
from arcly_actors.protocols.webrtc.resource import IceServer
from arcly_actors.protocols.webrtc.whip_client import ClientRequest, Created, WhipClient, origin
from arcly_actors.runtime import LoopActor, LoopFuture, SessionNote, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport import dtls_srtp
from arcly_actors.transport.dtls_srtp import RemoteParameters, TransportClosed, TransportConnected
from arcly_actors.transport.http_client import Exchange, HttpCall, HttpFailed, exchange
from arcly_actors.transport.http_dial import HttpDial
from arcly_actors.transport.ice_agent import Relay, RemoteCandidate
from arcly_actors.transport.urls import MASK
from arcly_actors.transport.webrtc_dial import Gather, LocalEnd, Reach, WebRtcDial

StartDial: TypeAlias = Callable[[System, SessionNote | None], Ref]
"""Starts a `WebRtcDial`, or what stands in for it; see there for what it is given."""

_KINDS = frozenset({"host", "srflx", "relay"})


class WhipPush(WhepSession):
    """A push (see `egress.push`) over WHIP."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        request: PushRequest,
        owner: Ref,
        places: WhepPlaces,
        *,
        ask: Exchange = exchange,
        dial: StartDial = WebRtcDial.start,
    ) -> None:
        url = request.url
        player = Player(request.key, str(url), self._dial_up, lambda: None, protocol="push-whip", follows=True)
        super().__init__(system, places, player)
        del bus  # it is that of `places`
        self._request = request
        self._target = owner
        self._http = HttpDial(system, request.remote, ask, verify=request.verify)
        network = system.seams.network
        self._start_dial = dial if network is None else network.webrtc_dial
        self._client = WhipClient(url.web, _authorisation(request))
        self._offered: frozenset[CodecId] = frozenset()
        self._note = self._lost = ""

    def on_stop(self) -> None:
        """Leave in order."""
        super().on_stop()
        self._say_goodbye()

    def on_failure(self, *_: object) -> None:
        """Nobody comes after it."""
        super().on_failure()
        self._player.close(self._places, "failed")
        self._say_goodbye()

    # -- what is told -------------------------------------------------------------------------------------------------

    def linked(self, message: Any) -> None:
        """As for a viewer; unless it was over before this was known."""
        super().linked(message)
        if self._lost:
            self._fail(self._lost)

    def connected(self, connected: TransportConnected) -> None:
        """The target takes it."""
        super().connected(connected)
        notify(self._target, PushStarted(self._note))

    def closed(self, closed: TransportClosed) -> None:
        """It is gone."""
        self._lost = closed.detail
        super().closed(closed)

    def _part(self, reason: str) -> None:
        notify(self._target, PushEnded(reason))
        self.stop_self(reason)

    def _fail(self, reason: str) -> None:
        if self._seat is None:
            self._part(reason)  # the stream went away meanwhile
            return
        detail = self._request.url.hidden_from(reason)
        if self._request.token:
            detail = detail.replace(self._request.token, MASK)
        notify(self._target, PushFailed(detail))
        self.stop_self(detail)

    def _check_codecs(self) -> None:
        """Other codecs than were offered, or tracks that were not there then: begin anew with them."""
        feed = self._player.feed
        if self._player.linked is None or feed is None:
            return
        feed.follow()
        now = frozenset(rtp.track.codec for rtp in feed.tracks.values() if rtp.track is not None)
        if now and now != self._offered:
            self._part("its tracks changed")

    # -- the target ---------------------------------------------------------------------------------------------------

    async def _dial_up(self, owner: Ref, wants: Play) -> Linked:
        """Offer, and open a transport to who answers. Raises `Refused` and `PeerViolation`."""
        self._offered = frozenset(each.track.codec for each in wants.tracks)
        seams, remote = self.system.seams, self._request.remote
        _, host, number = origin(self._request.url.web)
        failed = await self._http.begin(host, number or 0)
        if failed is not None:
            raise Refused(Refusal.FAILED, failed.detail)
        with seams.drawing_by(remote):
            port = self._start_dial(self.system, seams.session_dialled(remote))
        try:
            end: LocalEnd = await port.ask(Gather(host, number or 0), block=False)
            if not end.candidates:
                raise Refused(Refusal.FAILED, "this machine has no address to send from")  # noqa: TRY301
            offer = push_offer(wants, self._parameters(end))
            created = await self._signal(offer.text())
            taken = push_answer(created.answer, offer, wants)
            reach = _reach(owner, taken.negotiation.peer, created.servers)
            transport: dtls_srtp.DtlsSrtpTransport = await port.ask(reach, block=False)
            seams.met(remote, transport)
        except pykka.ActorDeadError:
            raise Refused(Refusal.FAILED, "its transport failed") from None
        except BaseException:
            port.stop(block=False)
            raise
        self._note = taken.note
        return transport, taken.negotiation

    async def _signal(self, offer: str) -> Created:
        """The offer, through all redirects."""
        asked: ClientRequest | Created = self._client.start(offer)
        try:
            async with asyncio.timeout(limits.WHIP_SIGNALLING / NS_PER_S):
                while isinstance(asked, ClientRequest):
                    reply = await self._http.ask(_call(asked))
                    if isinstance(reply, HttpFailed):
                        raise Refused(Refusal.FAILED, reply.detail)
                    asked = self._client.heard(reply.status, reply.headers, reply.body)
        except TimeoutError:
            raise Refused(Refusal.FAILED, "the server did not answer the offer in time") from None
        return asked

    def _parameters(self, end: LocalEnd) -> LocalParameters:
        with self.system.seams.drawing_by(self._request.remote):
            number = int.from_bytes(self.system.entropy.random_bytes(8)) >> 1  # below 2^63 (RFC 9429 §5.2.1)
        hashed = Fingerprint(end.fingerprint.algorithm, end.fingerprint.value)
        candidates = host_candidates((address.host, address.port) for address in end.candidates)
        return LocalParameters(hashed, end.ice.ufrag, end.ice.pwd, candidates, number)

    def _say_goodbye(self) -> None:
        request = self._client.leave()
        if request is not None:
            Farewell.start(self.system, _call(request), self._http)


@dataclass(frozen=True, slots=True)
class Said:
    """Ask a `Farewell` for an answer when the server has had it."""


class Farewell(LoopActor):
    """Ends a session at its server, which takes longer than the push that had it lives. How that went does not matter:
    the server has been told by DTLS already.
    """

    def __init__(self, system: System, call: HttpCall, http: HttpDial) -> None:
        super().__init__(system)
        self._call = call
        self._http = http
        self._said: LoopFuture[None] = LoopFuture()

    def on_start(self) -> None:
        """Ask."""
        self.spawn(self._leave())

    @receives(Said)
    def wait(self, _: Said) -> LoopFuture[None]:
        """See `Said`."""
        return self._said

    async def _leave(self) -> None:
        await self._http.ask(self._call)
        self._said.set()
        self.stop_self("said")


def _authorisation(request: PushRequest) -> str:
    """The Authorization field: the token, or else user and password of the URL (RFC 6750, RFC 7617)."""
    if request.token:
        return f"Bearer {request.token}"
    url = request.url
    if not (url.user or url.password):
        return ""
    pair = f"{unquote(url.user)}:{unquote(url.password)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _call(request: ClientRequest) -> HttpCall:
    return HttpCall(request.method, request.url, request.headers, request.body)


def _reach(owner: Ref, peer: Peer, servers: Iterable[IceServer]) -> Reach:
    """Where the answer says that the server is; by its first relay as well, if it has one for us."""
    candidates = tuple(
        RemoteCandidate(each.foundation, each.priority, each.address, each.port, each.kind)
        for each in peer.candidates
        if _usable(each)
    )
    if not candidates:
        raise Refused(Refusal.FAILED, "the answer has no address that can be reached over UDP")
    prints = tuple(dtls_srtp.Fingerprint(each.algorithm, each.value) for each in peer.fingerprints)
    credentials = dtls_srtp.IceCredentials(peer.ufrag, peer.pwd)
    remote = RemoteParameters(credentials, prints, active=peer.setup == "passive")
    relays = (
        Relay(each.host, each.port, each.username, each.credential, each.transport, each.secure)
        for each in turn_servers(servers)
    )
    return Reach(owner, remote, candidates, peer.lite, next(relays, None))


def _usable(candidate: Candidate) -> bool:
    try:
        ipaddress.ip_address(candidate.address)
    except ValueError:
        return False
    return candidate.protocol == "udp" and candidate.component == 1 and candidate.kind in _KINDS and candidate.port > 0
