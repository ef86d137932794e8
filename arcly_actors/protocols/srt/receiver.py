"""The receiving half of a connection: acknowledges, reports losses, and delivers in order when it is time."""

import struct
from collections.abc import Iterable, Sequence

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.fec import FecReceiver, Packet
from arcly_actors.protocols.srt.fec_plan import Arq
from arcly_actors.protocols.srt.line import Line
from arcly_actors.protocols.srt.packet import (
    HEADER,
    HEADER_SIZE,
    KEY_SHIFT,
    MESSAGE_MASK,
    RETRANSMITTED,
    SEQUENCE_MASK,
    ControlType,
    loss_list,
    unwrap,
    words,
)
from arcly_actors.protocols.srt.rates import Rate
from arcly_actors.protocols.srt.receive_buffer import ReceiveBuffer
from arcly_actors.protocols.srt.tsbpd import PeerClock

_LIGHT_ACK = 64
_KEY = 3 << KEY_SHIFT
_UNUSUAL = RETRANSMITTED | _KEY
_FAR = 1 << 31
"""Half the range of time stamps (µs): what seems to be this much ahead is behind."""

_NEVER = 1 << 63
_LEAST_NAK_PERIOD = 20 * NS_PER_MS


class Receiver:
    """See the module."""

    def __init__(self, line: Line, first: int, clock: PeerClock, now: int, fec: FecReceiver | None = None) -> None:
        self._line = line
        self._fec = fec
        self._clock = clock
        self._buffer = ReceiveBuffer(first, line.statistics)
        self._rate = Rate(now)
        self._acked = first
        self._confirmed = first
        self._number = 0
        self.pace = min(max(clock.latency // limits.SRT_TICKS, limits.SRT_TICK), limits.SRT_SLOW_TICK)
        self._journal: dict[int, tuple[int, int]] = {}
        self._acked_at = now
        self._since_ack = 0
        self._usual = 0
        self._nak_at = 0

    def expected(self, datagrams: Sequence[bytes | memoryview], at: int, now: int) -> int:
        """Take data packets from the one at `at` on as long as each is just the next one; how many.

        This is what all packets are on a good path, so it is one loop without calls but for the decryption.
        """
        buffer, keys, usual = self._buffer, self._line.keys, self._usual
        if self._fec is not None or bool(usual) is not (keys is not None):
            return 0
        first = top = buffer.top
        packets, size = buffer.packets, 0
        stamp, offset = self._clock.newest()
        for data in datagrams[at : at + _LIGHT_ACK - 1 - self._since_ack]:
            if len(data) < HEADER_SIZE:
                break
            sequence, word, timestamp, _ = HEADER.unpack_from(data)
            if sequence != top & SEQUENCE_MASK or word & _UNUSUAL != usual or not 0 <= timestamp - stamp < _FAR:
                break
            payload: bytes | None = bytes(data[HEADER_SIZE:])
            if keys is not None:
                payload = keys.decrypt(usual >> KEY_SHIFT, top, payload or b"")
            if not payload:
                break
            stamp = timestamp
            size += len(payload)
            packets[top] = (offset + timestamp * 1000, payload)
            top += 1
        buffer.top = top
        self._clock.sent(stamp)
        self._passed(top - first, size)
        return top - first

    def _passed(self, count: int, size: int) -> None:
        """So many packets and bytes came, each for the first time."""
        statistics = self._line.statistics
        statistics.pktRecv += count
        statistics.pktRecvUnique += count
        statistics.byteRecv += size
        self._rate.add(count, size)
        self._since_ack += count

    def data(self, sequence: int, word: int, timestamp: int, payload: bytes, now: int) -> None:
        """A data packet came, or one of protection."""
        buffer, fec = self._buffer, self._fec
        statistics = self._line.statistics
        index = buffer.top
        if sequence != index & SEQUENCE_MASK:
            index = unwrap(sequence, index)
        statistics.pktRecv += 1
        statistics.byteRecv += len(payload)
        if fec is None:
            again: list[Packet] = []
        elif word & MESSAGE_MASK:
            again = fec.data(Packet(index, word, timestamp, payload))
        else:
            again = fec.protection(index, timestamp, payload)
        if fec is None or word & MESSAGE_MASK:
            if word & RETRANSMITTED:
                statistics.pktRcvRetrans += 1
            self._take(index, word, timestamp, payload, now)
        for packet in again:
            self._take(*packet, now)

    def _take(self, index: int, word: int, timestamp: int, payload: bytes, now: int) -> None:
        line, buffer = self._line, self._buffer
        statistics = line.statistics
        which = word >> KEY_SHIFT & 3
        if which or line.keys is not None:
            plain = line.keys.decrypt(which, index, payload) if which and line.keys is not None else None
            if plain is None:
                statistics.pktRcvUndecrypt += 1
                plain = b""
            else:
                self._usual = word & _KEY
            payload = plain
        missing = buffer.add(index, self._clock.due(timestamp), payload)
        if missing is None:
            return
        statistics.pktRecvUnique += 1
        self._rate.add(1, len(payload))
        if missing and (self._fec is None or self._fec.arq is Arq.ALWAYS):
            self._report(missing, now)
            if now >= self._nak_at:  # these, too, may be lost again, or their report: all are reported together then
                self._nak_at = now + self._nak_period
        self._since_ack += 1
        if self._since_ack >= _LIGHT_ACK:
            self._since_ack = 0
            line.control(ControlType.ACK, 0, now, struct.pack(">I", self._acknowledged & SEQUENCE_MASK))

    def passed(self, timestamp: int) -> None:
        """A control packet has this time stamp: the clock must not miss a wrap while no data comes."""
        self._clock.sent(timestamp)

    def confirm(self, number: int, timestamp: int, now: int) -> None:
        """An ACKACK came: how long it took is the round trip."""
        sent = self._journal.pop(number, None)
        if sent is None:
            return
        at, acknowledged = sent
        trip = self._line.trip
        trip.sample(now - at)
        self._confirmed = max(self._confirmed, acknowledged)
        self._clock.sample(timestamp, now, (trip.smoothed - trip.first) // 2)

    def drop(self, content: bytes | memoryview) -> None:
        """A drop request came (section 3.2.9)."""
        said = words(content)
        if len(said) < 2:
            raise Malformed("a drop request without a range")
        buffer = self._buffer
        first, last = (unwrap(each & SEQUENCE_MASK, buffer.top) for each in said[:2])
        if last < first:
            raise Malformed("a drop request whose range runs backwards")
        buffer.forget(first, last)

    def tick(self, now: int) -> Sequence[bytes]:
        """Acknowledge and report, if it is time; returns what is due."""
        buffer, line = self._buffer, self._line
        due = buffer.deliver(now) if buffer else ()
        self._rate.update(now)
        statistics = line.statistics
        statistics.mbpsRecvRate = self._rate.bytes * 8 / 1e6
        statistics.pktRcvBuf = len(buffer)
        acknowledged = self._acknowledged
        if (acknowledged != self._acked and now - self._acked_at >= self.pace - limits.SRT_HURRY) or (
            acknowledged != self._confirmed and now - self._acked_at > self._unconfirmed
        ):
            self._acknowledge(acknowledged, now)
        if buffer.has_losses and now >= self._nak_at:
            self._report(self._wanted, now)
            self._nak_at = now + self._nak_period
        return due

    def remaining(self) -> Sequence[bytes]:
        """All that has come, in order, due or not: the peer is done."""
        return self._buffer.deliver(_NEVER)

    def wanted_at(self, now: int) -> int | None:
        """When the next `tick` is needed (ns): a packet is due then, or the peer has not heard all of what came."""
        buffer, soonest = self._buffer, now + self.pace
        if buffer.has_losses:
            return now + limits.SRT_HURRY
        acknowledged = self._acknowledged
        if acknowledged != self._acked:
            return soonest
        due = buffer.next_due() if buffer else None
        if acknowledged != self._confirmed:
            again = self._acked_at + self._unconfirmed + 1
            due = again if due is None else min(due, again)
        return None if due is None else max(due, soonest)

    @property
    def _acknowledged(self) -> int:
        """Before this index nothing is expected any more: who never asks again waits for nothing."""
        never = self._fec is not None and self._fec.arq is Arq.NEVER
        return self._buffer.top if never else self._buffer.acknowledged

    @property
    def _wanted(self) -> Iterable[int]:
        """What is missing and to be asked for: with forward error correction mostly what that cannot make again."""
        fec, losses = self._fec, self._buffer.losses
        if fec is None or fec.arq is Arq.ALWAYS:
            return losses
        return () if fec.arq is Arq.NEVER else filter(fec.hopeless, losses)

    def next_due(self) -> int | None:
        """When the next packet is due (ns)."""
        return self._buffer.next_due()

    @property
    def _unconfirmed(self) -> int:
        """How long an acknowledgement may go without an answer."""
        return self._line.trip.smoothed + 4 * self._line.trip.variance

    @property
    def _nak_period(self) -> int:
        # libsrt adds twice the variance, which under jitter leaves two tries less within the latency.
        return max(self._line.trip.smoothed // 2, _LEAST_NAK_PERIOD)

    def _acknowledge(self, acknowledged: int, now: int) -> None:
        self._number = self._number + 1 & 0xFFFF_FFFF or 1
        self._acked, self._acked_at, self._since_ack = acknowledged, now, 0
        if len(self._journal) >= limits.SRT_ACKS_KEPT:
            del self._journal[next(iter(self._journal))]
        self._journal[self._number] = (now, acknowledged)
        trip, rate = self._line.trip, self._rate
        content = struct.pack(
            ">7I",
            acknowledged & SEQUENCE_MASK,
            min(trip.smoothed // 1000, 0xFFFF_FFFF),
            min(trip.variance // 1000, 0xFFFF_FFFF),
            max(self._buffer.room, 2),
            rate.packets,
            rate.packets,
            rate.bytes,
        )
        self._line.statistics.pktSentACK += 1
        self._line.control(ControlType.ACK, self._number, now, content)

    def _report(self, missing: Iterable[int], now: int) -> None:
        content = loss_list(missing)
        if not content:
            return
        self._line.statistics.pktSentNAK += 1
        self._line.control(ControlType.NAK, 0, now, content)
