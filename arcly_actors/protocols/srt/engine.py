"""An SRT connection as an engine (see `protocols.outputs`), once its handshake is done; how that is done, subclasses say.

A datagram that cannot be read, or says what cannot be, is counted and otherwise ignored: anyone can send one.
"""

from collections.abc import Hashable, Sequence

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import ArclyError, Malformed, PeerViolation
from arcly_actors.protocols.outputs import Emit, Hangup, WakeAt
from arcly_actors.protocols.srt.events import (
    Accept,
    Disconnect,
    Drained,
    Established,
    Received,
    Refuse,
    Send,
    SrtCommand,
    SrtOutput,
)
from arcly_actors.protocols.srt.fec import FecReceiver, FecSender
from arcly_actors.protocols.srt.fec_plan import FecPlan
from arcly_actors.protocols.srt.handshake import Capabilities, Handshake
from arcly_actors.protocols.srt.line import Line
from arcly_actors.protocols.srt.packet import CONTROL_BIT, HEADER, HEADER_SIZE, ControlType
from arcly_actors.protocols.srt.receiver import Receiver
from arcly_actors.protocols.srt.sender import Sender
from arcly_actors.protocols.srt.states import Move, State, moved
from arcly_actors.protocols.srt.statistics import Statistics
from arcly_actors.protocols.srt.tsbpd import PeerClock


class PeerSilent(PeerViolation):
    """Nothing came from the peer for too long."""


class SrtEngine:
    """One connection; `socket_id` is what the peer calls us by, `peer` where it is (any value, compared only), `patience`
    how long its datagrams may wait before they are read (ns).
    """

    def __init__(self, socket_id: int, peer: Hashable, now: int) -> None:
        self.socket_id = socket_id
        self.peer = peer
        self.state = State.SHAKING_HANDS
        self._line = Line(now)
        self._outputs = self._line.outputs
        self._sender: Sender | None = None
        self._receiver: Receiver | None = None
        self._fec: FecPlan | None = None
        self._heard = now
        self._wake_at: int | None = None
        self._waiting = False
        self.patience = limits.SRT_TICK
        self._closed = False

    # --- the contract ---

    def receive(self, data: bytes | memoryview, now: int) -> None:
        """Take one datagram; see the module."""
        self.receive_all((data,), now)

    def receive_all(self, datagrams: Sequence[bytes | memoryview], now: int) -> None:
        """Take datagrams that came together, in their order."""
        at, count = 0, len(datagrams)
        while at < count:
            receiver = self._receiver
            taken = receiver.expected(datagrams, at, now) if receiver is not None and not self._closed else 0
            if taken:
                at += taken
                self._lively(now)
            else:
                self._one(datagrams[at], now)
                at += 1

    def _one(self, data: bytes | memoryview, now: int) -> None:
        """A datagram that is not just the next one."""
        if len(data) < HEADER_SIZE or self._closed:
            self._line.statistics.pktMalformed += 1
            return
        first, second, timestamp, _ = HEADER.unpack_from(data)
        content, receiver = bytes(data[HEADER_SIZE:]), self._receiver
        if first < CONTROL_BIT and receiver is not None:
            receiver.data(first, second, timestamp, content, now)
            self._lively(now)
            return
        try:
            self._control(first >> 16 & 0x7FFF, first & 0xFFFF, second, timestamp, content, now)
        except Malformed:
            self._line.statistics.pktMalformed += 1

    def _lively(self, now: int) -> None:
        """Data came."""
        sender, receiver = self._sender, self._receiver
        assert sender is not None
        assert receiver is not None
        self._heard = now
        self.patience = limits.SRT_TICK if sender.in_flight else receiver.pace
        if self._wake_at is None or self._wake_at > now + receiver.pace:
            self._wake(now + receiver.pace)

    def wake(self, now: int) -> None:
        """See the contract. Time in which nobody looked is no silence of the peer's."""
        late = now - self._wake_at if self._wake_at is not None else 0
        if late >= limits.SRT_KEEPALIVE:
            self._heard += late
        self._wake_at = None
        if self.state is State.ESTABLISHED:
            self._tick(now)
        elif self.state is not State.CLOSED:
            self._urge(now)

    def command(self, command: SrtCommand, now: int) -> None:
        """See the contract; what comes after the end is ignored."""
        if self.state is State.CLOSED:
            return
        if isinstance(command, Disconnect):
            self._disconnect(command.reason, now)
        elif isinstance(command, Send):
            self.send(command.payloads, now)
        else:
            self._decide(command, now)

    def send(self, payloads: tuple[bytes, ...], now: int) -> None:
        """As the command `Send`."""
        if self._sender is not None:
            self.patience = limits.SRT_TICK
            self._sender.push(payloads, now)
            self._waiting = self._waiting or bool(self._sender.queue)
            self._plan(now)

    def closed(self, now: int) -> None:
        """Our side is closing."""
        self._disconnect("closed", now)

    def poll(self) -> SrtOutput | None:
        """See the contract."""
        return self._outputs.popleft() if self._outputs else None

    @property
    def pending(self) -> int:
        """Payload bytes that wait to be sent."""
        return self._sender.queued if self._sender is not None else 0

    def statistics(self, now: int) -> Statistics:
        """As of now."""
        found, line = self._line.statistics, self._line
        found.msTimeStamp = (now - line.started) // NS_PER_MS
        found.msRTT = line.trip.smoothed / NS_PER_MS
        if self._sender is not None:
            found.pktFlightSize = self._sender.in_flight
            found.pktSndBuf = self._sender.in_flight + len(self._sender.queue)
            found.pktFlowWindow = self._sender.window
        return found

    # --- what handshakes do ---

    def _greet(self, shake: Handshake, timestamp: int, now: int) -> None:
        """A handshake packet came."""
        raise NotImplementedError

    def _urge(self, now: int) -> None:
        """The wake-up of a handshake that is under way."""
        raise NotImplementedError

    def _decide(self, command: Accept | Refuse, now: int) -> None:
        """Our own decision on what was asked."""
        raise ValueError(f"there is nothing to {type(command).__name__.lower()}")

    def _protect(self, packet_filter: str) -> None:
        """The connection that is about to be established has this packet filter; empty for none."""
        self._fec = FecPlan.of(packet_filter) if packet_filter else None

    def _establish(
        self, ours: int, theirs: int, capabilities: Capabilities, latencies: tuple[int, int], stamp: int, now: int
    ) -> None:
        """Both sides agree: indexes begin at `ours` and `theirs`, latencies (ms) of what we receive and what they do."""
        self.state = moved(self.state, Move.AGREED)
        receive, send = (each * NS_PER_MS for each in latencies)
        line = self._line
        line.statistics.msRcvTsbPdDelay, line.statistics.msSndTsbPdDelay = latencies
        plan = self._fec
        self._sender = Sender(line, ours, send, now, FecSender(plan, ours) if plan else None)
        arrives = FecReceiver(plan, theirs, line.statistics) if plan else None
        self._receiver = Receiver(line, theirs, PeerClock(stamp, now, receive), now, arrives)
        self._heard = now
        self._outputs.append(Emit(Established(receive, send, line.keys is not None, capabilities.version)))
        self._plan(now)

    def _over(self, reason: str, error: ArclyError | None) -> None:
        if self.state is not State.CLOSED:
            self.state = moved(self.state, Move.OVER)
            self._closed = True
            self._outputs.append(Hangup(reason, error))

    # --- the established connection ---

    def _control(self, kind: int, subtype: int, specific: int, timestamp: int, content: bytes, now: int) -> None:
        if kind == ControlType.HANDSHAKE:
            self._greet(Handshake.read(content), timestamp, now)
            return
        sender, receiver = self._sender, self._receiver
        if sender is None or receiver is None:
            if kind == ControlType.SHUTDOWN:
                self._over("the peer closed", None)
            return
        self._heard = now
        receiver.passed(timestamp)
        if kind == ControlType.ACK:
            sender.acknowledge(specific, content, now)
            self._drained()
        elif kind == ControlType.ACKACK:
            receiver.confirm(specific, timestamp, now)
        elif kind == ControlType.NAK:
            sender.lost(content, now)
        elif kind == ControlType.DROP_REQUEST:
            receiver.drop(content)
        elif kind == ControlType.EXTENDED:
            self._keys(subtype, content, now)
        else:
            self._ended(kind, specific, receiver)

    def _ended(self, kind: int, specific: int, receiver: Receiver) -> None:
        if kind == ControlType.SHUTDOWN:
            self._give(receiver.remaining())
            self._over("the peer closed", None)
        elif kind == ControlType.PEER_ERROR:
            self._over("the peer has failed", PeerViolation(f"the peer reports its error {specific}", code=specific))

    def _keys(self, subtype: int, content: bytes, now: int) -> None:
        keys = self._line.keys
        if keys is None:
            return
        if subtype == 3 and keys.accept(content):
            self._line.statistics.pktRecvKM += 1
            self._line.control(ControlType.EXTENDED, 0, now, content, subtype=4)
        elif subtype == 4:
            keys.confirmed(content)

    def _tick(self, now: int) -> None:
        sender, receiver, line = self._sender, self._receiver, self._line
        assert sender is not None
        assert receiver is not None
        self._give(receiver.tick(now))
        sender.tick(now)
        self._drained()
        if now - self._heard >= limits.SRT_PEER_SILENCE:
            silence = limits.SRT_PEER_SILENCE / 1e9
            line.control(ControlType.SHUTDOWN, 0, now)
            self._over("the peer is silent", PeerSilent(f"nothing came from the peer for {silence:g} s"))
            return
        if now - line.last_sent >= limits.SRT_KEEPALIVE:
            line.control(ControlType.KEEPALIVE, 0, now)
        self._plan(now)

    def _give(self, payloads: Sequence[bytes]) -> None:
        if payloads:
            self._outputs.append(Emit(Received(tuple(payloads))))

    def _drained(self) -> None:
        if self._waiting and self._sender is not None and not self._sender.queue:
            self._waiting = False
            self._outputs.append(Emit(Drained()))

    def _plan(self, now: int) -> None:
        """Ask to be woken when there is something to do."""
        sender, receiver = self._sender, self._receiver
        if sender is None or receiver is None or self.state is State.CLOSED:
            return
        at = min(self._line.last_sent + limits.SRT_KEEPALIVE, self._heard + limits.SRT_PEER_SILENCE)
        for wanted in (receiver.wanted_at(now), sender.wanted_at(now)):
            if wanted is not None:
                at = min(at, wanted)
        if self._wake_at is None or at < self._wake_at:
            self._wake(max(at, now + 1))

    def _wake(self, at: int) -> None:
        self._wake_at = at
        self._outputs.append(WakeAt(at))

    def _disconnect(self, reason: str, now: int) -> None:
        if self.state is State.CLOSED:
            return
        if self.state is State.ESTABLISHED:
            self._line.control(ControlType.SHUTDOWN, 0, now)
        self._over(reason, None)
