"""`WebRtcDial`: an actor that dials one WebRTC peer, which answered our offer: full ICE, then DTLS-SRTP as with any peer.

Ask `Gather` for our end, offer it, then ask `Reach` for the `DtlsSrtpTransport`. It stops when that is closed, or its
owner is gone, whatever for: who dialled dials again.
"""

import asyncio
import base64
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, SessionNote, System, Timer, receives
from arcly_actors.runtime.seams import Tap
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls import Identity
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport, Fingerprint, IceCredentials, RemoteParameters
from arcly_actors.transport.host_addresses import address_towards, host_addresses
from arcly_actors.transport.ice_agent import FullIce, Relay, RemoteCandidate
from arcly_actors.transport.send_batch import SendBatch
from arcly_actors.transport.srtp_batch import Scratch
from arcly_actors.transport.srtp_crowd import Crowd
from arcly_actors.transport.srtp_session import SrtpSession
from arcly_actors.transport.taped_session import Taped
from arcly_actors.transport.udp_socket import Datagrams, Deliver, Path, Source, TakeAll


@dataclass(frozen=True, slots=True)
class Gather:
    """Ask for a `LocalEnd`: the addresses from which this machine reaches `host`, and the rest of the world."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """What an offer says of us; `candidates` is empty where no address could be had."""

    ice: IceCredentials
    fingerprint: Fingerprint
    candidates: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Ask, after `Gather`, for a `DtlsSrtpTransport` to who answered. `lite`: it sends no checks of its own."""

    owner: pykka.ActorRef[Any]
    remote: RemoteParameters
    candidates: tuple[RemoteCandidate, ...]
    lite: bool = False
    relay: Relay | None = None


@dataclass(frozen=True, slots=True)
class _Gathered:
    candidates: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class _IceDone:
    """`failure` is empty when there is a way to the peer."""

    failure: str


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Time to look after the session."""


@dataclass(frozen=True, slots=True)
class _DtlsDue:
    """The handshake may have lost a flight."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The socket's callback raised; raised again where it is this actor's failure."""

    error: Exception


class DialledSession(SrtpSession):
    """The `DtlsSrtpTransport` of a peer that was dialled. A server may be silent for as long as it consents."""

    silence = limits.ICE_CONSENT
    unreached = "no ICE check was answered in time: is the server's UDP port open to us?"

    _port: "WebRtcDial"

    @property
    def local(self) -> IceCredentials:
        """See `DtlsSrtpTransport.local`."""
        return self._port.local

    def add_candidate(self, candidate: str) -> None:
        """See `DtlsSrtpTransport.add_candidate`: a server's answer is final (RFC 9725 §4.3.2)."""

    def restart(self, remote: IceCredentials) -> IceCredentials:
        """See `DtlsSrtpTransport.restart`: who dialled dials anew instead."""
        del remote
        return self.local

    def reached(self, path: Path) -> None:
        """ICE is done."""
        self._consented()
        self._go_by(path)
        self._shake_hands()

    def consented(self) -> None:
        """The peer answered a check."""
        self._consented()

    def _ended(self) -> None:
        self._port.gone()


class _Datagrams:
    """What the agent sends, as `udp_socket.Datagrams`."""

    batch: SendBatch | None = None
    taps: tuple[Tap, ...] = ()

    def __init__(self, agent: Callable[[], FullIce]) -> None:
        self._agent = agent
        self.bound = Address("", 0)
        self.dropped: Counter[str] = Counter()

    def start(self, wake: Callable[[], None]) -> None:
        """The agent delivers by itself."""

    def pause(self) -> None:
        """The agent delivers by itself."""

    def poke(self) -> None:
        """The agent delivers by itself."""

    def close(self) -> None:
        """The agent has the sockets."""

    def read(self, deliver: Deliver) -> int:
        """The agent delivers by itself."""
        del deliver
        return 0

    def read_all(self, take: TakeAll) -> int:
        """The agent delivers by itself."""
        del take
        return 0

    def path(self, source: Source, local: bytes) -> Path:
        """See `UdpSocket.path`."""
        return Path(source, local, segments=False)

    def send(self, data: bytes | memoryview, path: Path) -> bool:
        """See `UdpSocket.send`. A copy: the loop may keep it for a moment, and scratch memory is used again at once."""
        del path
        if self._agent().transmit(bytes(data)):
            return True
        self.dropped["send-buffer-full"] += 1
        return False

    def send_segments(self, data: memoryview, step: int, bounds: Sequence[tuple[int, int]], path: Path) -> bool:
        """See `UdpSocket.send_segments`."""
        del step
        return all([self.send(data[start:end], path) for start, end in bounds])  # noqa: C419 - all of them are sent


class TapedDialled(Taped, DialledSession):
    """One with a tape at it."""


class WebRtcDial(LoopActor):
    """See the module."""

    def __init__(self, system: System, note: SessionNote | None = None) -> None:
        super().__init__(system)
        self.now = system.clock.monotonic_ns
        self.note = note
        self.local = IceCredentials(self._random_text(6), self._random_text(18))
        self.identity = self.make_identity()
        self.scratch = Scratch()
        self.udp: Datagrams = _Datagrams(lambda: self._agent)
        self.crowd = Crowd(self.udp)
        self.candidates: tuple[Address, ...] = ()
        self._agent: FullIce
        self._asked: LoopFuture[LocalEnd] = LoopFuture()
        self._session: DialledSession | None = None
        self._early: list[bytes] = []
        self._reached = False

    def on_start(self) -> None:
        """Make the agent."""
        low, high = (limits.ICE_CONSENT_INTERVAL * share / NS_PER_S for share in (0.8, 1.2))

        def pause() -> float:
            with self.system.seams.drawing(None):  # a replay asks nobody for consent
                return self.system.entropy.uniform(low, high)

        self._agent = FullIce(self.local, self._arrived, self._consented, pause)

    def on_stop(self) -> None:
        """The peer and the owner are told."""
        self._close("the connection was closed", None)

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """Likewise."""
        self._close("the connection failed", exception_value)

    # --- messages ---

    @receives(Gather)
    def gather(self, message: Gather) -> LoopFuture[LocalEnd]:
        """See `Gather`."""

        async def gather() -> _Gathered:
            return _Gathered(await self.gather_towards(message))

        self.spawn(gather(), then=lambda message: message)
        return self._asked

    async def gather_towards(self, target: Gather) -> tuple[Address, ...]:
        """Our addresses."""
        return await self._agent.gather(await _hosts_towards(target))

    def make_identity(self) -> Identity:
        """Our certificate."""
        return Identity(self.system.clock)

    def make_session(self, message: Reach) -> DialledSession:
        """The transport to who answered."""
        if self.note is not None:
            return TapedDialled(self, message.owner, message.remote, self.note)
        return DialledSession(self, message.owner, message.remote)

    @property
    def fingerprint(self) -> str:
        """Our certificate's, by SHA-256."""
        return self.identity.fingerprint

    @receives(_Gathered)
    def gathered(self, message: _Gathered) -> None:
        """Our end is known."""
        self.candidates = message.candidates
        if self.note is not None:
            listed = [str(each) for each in message.candidates]
            self.note.put("session", fingerprint=self.fingerprint, candidates=listed)
        self._asked.set(LocalEnd(self.local, Fingerprint("sha-256", self.fingerprint), message.candidates))

    @receives(Reach)
    def reach(self, message: Reach) -> DtlsSrtpTransport:
        """See `Reach`."""
        session = self._session = self.make_session(message)
        self.connect(message)
        self.after(limits.UDP_SWEEP, _Sweep())
        return session

    def connect(self, message: Reach) -> None:
        """Find a way to the peer."""
        self.spawn(self._connect(message), then=_IceDone)

    async def _connect(self, message: Reach) -> str:
        try:
            if message.relay is not None:
                await self._agent.relay_by(message.relay)
            await self._agent.reach(message.remote.ice, message.candidates, lite=message.lite)
        except ConnectionError:
            return "no way to the server was found: no ICE check got an answer from its candidates"
        return ""

    @receives(_IceDone)
    def ice_done(self, done: _IceDone) -> None:
        """Shake hands, or give up."""
        session, peer = self._session, self._agent.peer
        if session is None:
            return
        if done.failure or peer is None:
            session.end(done.failure or "ICE failed")
            return
        self._reached = True
        session.reached(self.udp.path(peer, b""))
        early, self._early = self._early, []
        for datagram in early:
            self._take(datagram, session)

    @receives(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        """See `limits.UDP_SWEEP`."""
        if self._session is not None:
            self._session.look_after(self.now(), 0)
            self.after(limits.UDP_SWEEP, _Sweep())

    @receives(_DtlsDue)
    def dtls_due(self, _: _DtlsDue) -> None:
        """See `DtlsServer.wake`."""
        if self._session is not None:
            self._session.dtls_due()

    @receives(Exited)
    def owner_ended(self, exited: Exited) -> None:
        """Nobody comes back for it."""
        if self._session is not None:
            self._session.end(exited.reason or "its session ended")

    @receives(_Broken)
    def broken(self, broken: _Broken) -> None:
        """A defect that its bytes revealed ends this one peer's connection."""
        raise broken.error

    # --- what the session asks for ---

    def wake_dtls(self, session: SrtpSession, delay_ns: int) -> Timer:
        """See `SrtpPort.wake_dtls`."""
        del session
        return self.after(delay_ns, _DtlsDue())

    def follow(self, session: SrtpSession, owner: pykka.ActorRef[Any]) -> None:
        """See `SrtpPort.follow`."""
        del session
        self.watch(owner)

    def gone(self) -> None:
        """The session is closed."""
        self._session = None
        self.stop_self("its session ended")

    # --- datagrams ---

    def _arrived(self, datagram: bytes) -> None:
        session = self._session
        try:
            if session is not None and self._reached:
                self._take(datagram, session)
            elif session is not None and len(self._early) < limits.DIAL_EARLY:
                self._early.append(datagram)  # its check was answered before ours was
            else:
                self.udp.dropped["unknown-source"] += 1
        except Exception as error:  # noqa: BLE001 - whatever a defect raises must reach the actor, not the loop
            self.actor_ref.tell(_Broken(error))
        self.system.run_queue.drain()

    def _take(self, datagram: bytes, session: DialledSession) -> None:
        first = datagram[0] if datagram else 0
        if 128 <= first < 192:
            rtcp = len(datagram) > 1 and 192 <= datagram[1] < 224  # RFC 5761 section 4
            session.media_arrived(memoryview(bytearray(datagram)), rtcp)
        elif 20 <= first < 64:
            session.dtls_arrived(datagram)
        else:
            session.drop("unexpected")

    def _consented(self) -> None:
        if self._session is not None:
            self._session.consented()

    def _close(self, reason: str, error: BaseException | None) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end(reason, error)
        self.close_agent()

    def close_agent(self) -> None:
        """Its sockets, too."""
        self.system.outlive(self._agent.close())  # they take a turn of the loop to close

    def _random_text(self, count: int) -> str:
        return base64.b64encode(self.system.entropy.random_bytes(count)).decode("ascii")  # ice-char: alphanumeric + /


async def _hosts_towards(target: Gather) -> Sequence[str]:
    """Our addresses as `target` sees them, then those that the rest of the world does: its media may be elsewhere."""
    try:
        async with asyncio.timeout(limits.DIAL_TIMEOUT / NS_PER_S):
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except OSError:
        found = []  # whoever wants to talk to it is told so
    towards = (address_towards(family, where) for family, _, _, _, where in found[: limits.DIAL_ADDRESSES])
    return tuple(dict.fromkeys([*(each for each in towards if each), *host_addresses("::")]))
