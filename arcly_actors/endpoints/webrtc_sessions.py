"""The WebRTC sessions of an engine: opened by an offer, found by the secret name in their URL, ended by whoever is first.

A session's actor is a child of the endpoint's supervisor. If it crashes it is restarted on the same transport, since what
it needs for that is in the session's `Player` or `Contribution`, not in the actor.
"""

import base64
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.whep import Linked, Player, WhepPlaces, WhepSession
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.whip import Contribution, WhipPublisher
from arcly_actors.protocols.webrtc import fragment, resource
from arcly_actors.protocols.webrtc.agreement import LocalParameters, Play, Publish
from arcly_actors.protocols.webrtc.candidate import Candidate, host_candidates
from arcly_actors.protocols.webrtc.description import Fingerprint, Setup, read_peer
from arcly_actors.protocols.webrtc.ice import IceCredentials
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.protocols.webrtc.resource import OpenSession
from arcly_actors.protocols.webrtc.sdp import parse
from arcly_actors.runtime import ChildSpec, OnExceeded, Restart, SessionNote, StartChild, StopChild, System
from arcly_actors.transport import dtls_srtp, webrtc_port
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport, RemoteParameters

Query = Mapping[str, str]
Start = Callable[[], pykka.ActorRef[Any]]


@dataclass(eq=False, slots=True)
class Session:
    """One session as its URL sees it, opened by `peer`. `child` is its id under the supervisor, `note` where a tape wants
    its packets.
    """

    name: str
    kind: str
    key: StreamKey
    peer: str
    token: str | None
    child: str
    note: SessionNote | None
    remote: IceCredentials | None = None
    ref: Ref | None = None
    linked: Linked | None = None
    close: Callable[[str], None] = lambda _reason: None

    @property
    def opened(self) -> OpenSession | None:
        """What requests to the URL are held against; None before the answer."""
        if self.linked is None or self.remote is None:
            return None
        return OpenSession(resource.entity_tag(self._local), self.remote, self.token)

    @property
    def answer(self) -> str:
        """The answer's text."""
        assert self.linked is not None
        return self.linked[1].answer.text()

    @property
    def _local(self) -> IceCredentials:
        assert self.linked is not None
        local = self.linked[0].local
        return IceCredentials(local.ufrag, local.pwd)

    def restart(self, remote: IceCredentials) -> tuple[str, str]:
        """ICE starts over: the fragment that answers, and the new entity tag."""
        assert self.linked is not None
        transport, negotiation = self.linked
        transport.restart(dtls_srtp.IceCredentials(remote.ufrag, remote.pwd))
        self.remote = remote
        text = fragment.write(negotiation.answer, self._local, candidates(transport))
        return text, resource.entity_tag(self._local)


class WebRtcSessions:
    """See the module. `supervisor` has the sessions' actors, `port` is the transport's actor as of now."""

    def __init__(
        self, system: System, bus: Bus, places: WhepPlaces, supervisor: Callable[[], Ref], port: Callable[[], Ref | None]
    ) -> None:
        self._system = system
        self._bus = bus
        self._places = places
        self._supervisor = supervisor
        self._port = port
        self._numbers = itertools.count(1)
        self._sessions: dict[str, Session] = {}
        self._by_child: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, name: str, kind: str, key: StreamKey, peer: str) -> Session | None:
        """The session of this name, if it is one of this kind and stream; `peer` asks for it."""
        session = self._sessions.get(name)
        if session is None or (session.kind, session.key) != (kind, key):
            return None
        self._system.seams.concerns(key, peer)
        return session

    async def play(self, key: StreamKey, offer: str, peer: str, token: str | None, query: Query) -> Session:
        """Answer a player's offer. Raises `PeerViolation` and `Refused`."""
        session = self._new("whep", key, peer, token)

        async def link(owner: Ref, wants: Play) -> Linked:
            return await self._link(session, offer, owner, wants)

        player = Player(key, peer, link, lambda: self._forget(session), parameters=query)
        session.close = lambda reason: player.close(self._places, reason)
        return await self._open(session, player, lambda: WhepSession.start(self._system, self._places, player))

    async def publish(self, key: StreamKey, offer: str, peer: str, token: str | None, query: Query) -> Session:
        """Answer a sender's offer. Raises `PeerViolation` and `Refused`."""
        session = self._new("whip", key, peer, token)

        async def link(owner: Ref, wants: Publish) -> Linked:
            return await self._link(session, offer, owner, wants)

        contribution = Contribution(key, peer, link, lambda: self._forget(session), parameters=query)
        session.close = contribution.close
        return await self._open(session, contribution, lambda: WhipPublisher.start(self._system, self._bus, contribution))

    async def end(self, session: Session) -> None:
        """Its peer has ended it: return when nothing is left of it."""
        with contextlib.suppress(pykka.ActorDeadError):
            await self._supervisor().ask(StopChild(session.child), block=False)
        session.close("its peer ended it")  # what its actor, if it is down after a crash, could not

    def abandoned(self, child: str) -> None:
        """Its actor failed too often."""
        session = self._by_child.get(child)
        if session is not None:
            session.close("its session failed too often")

    def abandon_all(self, reason: str) -> None:
        """Their supervisor is another one from now on, which knows nothing of them."""
        for session in tuple(self._sessions.values()):
            session.close(reason)

    def _new(self, kind: str, key: StreamKey, peer: str, token: str | None) -> Session:
        note = self._system.seams.session(kind, key, peer)
        with self._system.seams.drawing(note):
            name = base64.urlsafe_b64encode(self._system.entropy.random_bytes(18)).decode("ascii")
        return Session(name, kind, key, peer, token, f"{kind}-{next(self._numbers)} {key} {peer}", note)

    async def _open(self, session: Session, record: Player | Contribution, start: Start) -> Session:
        self._sessions[session.name] = self._by_child[session.child] = session

        def start_again() -> Ref:
            session.ref = start()
            return session.ref

        spec = ChildSpec(session.child, start_again, restart=Restart.TRANSIENT, on_exceeded=OnExceeded.ABANDON)
        try:
            await self._supervisor().ask(StartChild(spec), block=False)
            session.linked = await record.answered
        except pykka.ActorDeadError:
            session.close("WebRTC is being restarted")
            raise Refused(Refusal.SHUTTING_DOWN, "WebRTC is being restarted") from None
        except BaseException:  # the client may have gone while it waited
            await self.end(session)
            raise
        return session

    async def _link(self, session: Session, offer: str, owner: Ref, wants: Play | Publish) -> Linked:
        """Open a transport to who made the offer, and answer it."""
        peer = read_peer(parse(offer))
        session.remote = IceCredentials(peer.ufrag, peer.pwd)
        prints = tuple(dtls_srtp.Fingerprint(each.algorithm, each.value) for each in peer.fingerprints)
        credentials = dtls_srtp.IceCredentials(peer.ufrag, peer.pwd)
        remote = RemoteParameters(credentials, prints, active=peer.setup is Setup.PASSIVE)
        port = self._port()
        try:
            if port is None:
                raise pykka.ActorDeadError  # noqa: TRY301
            asked = webrtc_port.OpenSession(owner, remote, session.note)
            transport: DtlsSrtpTransport = await port.ask(asked, block=False)
        except pykka.ActorDeadError:
            raise Refused(Refusal.SHUTTING_DOWN, "WebRTC is being restarted") from None
        if self._system.seams.faults is not None:
            self._system.seams.faults.session(session.kind, session.key, session.peer, transport)
        try:
            with self._system.seams.drawing(session.note):
                return transport, answer(offer, wants, self._parameters(transport))
        except BaseException:
            transport.close("the offer could not be answered")
            raise

    def _parameters(self, transport: DtlsSrtpTransport) -> LocalParameters:
        number = int.from_bytes(self._system.entropy.random_bytes(8)) >> 1  # below 2^63 (RFC 9429 §5.2.1)
        hashed = Fingerprint(transport.fingerprint.algorithm, transport.fingerprint.value)
        return LocalParameters(hashed, transport.local.ufrag, transport.local.pwd, candidates(transport), number)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.name, None)
        self._by_child.pop(session.child, None)


def candidates(transport: DtlsSrtpTransport) -> tuple[Candidate, ...]:
    """Where a transport can be reached, as SDP says it."""
    return host_candidates((address.host, address.port) for address in transport.candidates)
