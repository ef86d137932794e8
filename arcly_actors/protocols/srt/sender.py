"""The sending half of a connection: packets leave as they come, are kept until acknowledged, and sent again when lost.

Live mode paces by itself, so packets leave in bursts, some packets in a tick and what the peer's window
takes; the rest waits in the queue, whose size the feeder sees. Retransmissions have their own budget (section 5.1): a
share of the input rate, and one burst.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Malformed
from arcly_actors.protocols.outputs import Transmit
from arcly_actors.protocols.srt.events import Train
from arcly_actors.protocols.srt.fec import FecSender, Packet
from arcly_actors.protocols.srt.fec_plan import Arq
from arcly_actors.protocols.srt.line import Line
from arcly_actors.protocols.srt.packet import (
    HEADER,
    HEADER_SIZE,
    KEY_SHIFT,
    MESSAGE_MASK,
    RETRANSMITTED,
    SEQUENCE_MASK,
    SOLO,
    ControlType,
    read_loss_list,
    unwrap,
    words,
)
from arcly_actors.protocols.srt.rates import Rate


class _Kept(NamedTuple):
    payload: bytes
    word: int
    stamp: int
    sent: int


class Sender:
    """`first` is the oldest index that is not acknowledged, `next` the one to be sent next."""

    def __init__(self, line: Line, first: int, latency: int, now: int, fec: FecSender | None = None) -> None:
        self._line = line
        self._fec = fec
        self.first = self.next = first
        self._kept: dict[int, _Kept] = {}
        self._again: dict[int, int] = {}
        self._message = 1
        self.window = limits.SRT_WINDOW
        self._drop_after = max(latency, limits.SRT_SEND_DROP) + 2 * limits.SRT_TICK
        self._announced = 0
        self._burst = limits.SRT_BURST
        self._burst_ends = now
        self._progress = now
        self._input = Rate(now)
        self._allowance = float(limits.SRT_RETRANSMIT_BURST * limits.SRT_PAYLOAD)
        self._allowed_at = now
        self.queue: deque[bytes] = deque()
        self.queued = 0

    def push(self, payloads: Sequence[bytes], now: int) -> None:
        """Send these, each in a packet of its own, after what waits already."""
        size = sum(map(len, payloads))
        self.queue.extend(payloads)
        self.queued += size
        self._input.add(len(payloads), size)
        self.pump(now)

    def pump(self, now: int) -> None:
        """Send of what waits as much as the burst and the peer's window let."""
        if now >= self._burst_ends:
            usual = self._input.packets * limits.SRT_BURST_FACTOR * limits.SRT_TICK // NS_PER_S
            self._burst, self._burst_ends = max(limits.SRT_BURST, usual), now + limits.SRT_TICK
        count = min(len(self.queue), self._burst, self.window - (self.next - self.first))
        if count <= 0:
            return
        self._burst -= count
        if self.next == self.first:
            self._progress = now
        line, pack, keys, kept, fec = self._line, HEADER.pack, self._line.keys, self._kept, self._fec
        stamp, peer, index, message = line.stamp(now), line.peer_id, self.next, self._message
        parts: list[bytes] = []
        step = size = 0
        for _ in range(count):
            payload = self.queue.popleft()
            length = len(payload)
            size += length
            word = SOLO | message
            if keys is not None:
                payload = keys.encrypt(index, payload)
                word |= keys.using << KEY_SHIFT
            if length != step or len(parts) == 2 * limits.SRT_TRAIN:
                self._depart(parts, step)
                parts, step = [], length
            kept[index] = _Kept(payload, word, stamp, now)
            parts += (pack(index & SEQUENCE_MASK, word, stamp, peer), payload)
            if fec is not None and (more := fec.protect(Packet(index, word, stamp, payload), peer)):
                self._depart(parts, step)
                parts = []
                line.outputs.extend(map(Transmit, more))
                line.statistics.pktSndFilterExtra += len(more)
            index += 1
            message = message + 1 & MESSAGE_MASK or 1
        self._depart(parts, step)
        self.next, self._message = index, message
        self.queued -= size
        line.last_sent = now
        statistics = line.statistics
        statistics.pktSent += count
        statistics.pktSentUnique += count
        statistics.byteSent += size
        self.announce(now)

    def announce(self, now: int) -> None:
        """Tell the peer the next key; the wake-up repeats it until it is confirmed."""
        keys = self._line.keys
        if keys is not None and keys.announce is not None and now >= self._announced + self._line.trip.smoothed * 3 // 2:
            self._announced = now
            self._line.control(ControlType.EXTENDED, 0, now, keys.announce, subtype=3)

    def _depart(self, parts: list[bytes], step: int) -> None:
        if parts:
            data = b"".join(parts)
            self._line.outputs.append(Transmit(data) if len(parts) == 2 else Train(data, HEADER_SIZE + step))

    def acknowledge(self, number: int, content: bytes | memoryview, now: int) -> None:
        """An ACK came (section 3.2.4)."""
        said = words(content)
        if not said:
            raise Malformed("an ACK without a sequence number")
        index = unwrap(said[0] & SEQUENCE_MASK, self.first)
        if index > self.next:
            raise Malformed("an ACK for what was never sent")
        line = self._line
        line.statistics.pktRecvACK += 1
        if number:
            line.control(ControlType.ACKACK, number, now)
        if index > self.first:
            self._release(index, now)
        if len(said) >= 4:
            if said[1] and said[1] < 60_000_000:
                line.trip.told(said[1] * 1000, said[2] * 1000)
            self.window = min(said[3], limits.SRT_WINDOW)
        if len(said) >= 6:
            line.statistics.mbpsBandwidth = said[5] * 8 * limits.SRT_PAYLOAD / 1e6
        if self.queue:
            self.pump(now)

    def _release(self, until: int, now: int) -> None:
        kept = self._kept
        for done in range(self.first, until):
            del kept[done]
        if self._again:
            self._again = {lost: at for lost, at in self._again.items() if lost >= until}
        self.first = until
        self._progress = now

    def lost(self, content: bytes | memoryview, now: int) -> None:
        """A NAK came: send again what is still here, and say of the rest that it is not."""
        statistics = self._line.statistics
        statistics.pktRecvNAK += 1
        for first, last in read_loss_list(content, self.first):
            if last >= self.next:
                raise Malformed("a loss report of what was never sent")
            if first < self.first:
                gone = min(last, self.first - 1)
                pair = HEADER.pack(first & SEQUENCE_MASK, gone & SEQUENCE_MASK, 0, 0)[:8]
                self._line.control(ControlType.DROP_REQUEST, 0, now, pair)
            start = max(first, self.first)
            if last >= start:
                statistics.pktSndLoss += last - start + 1
            patience = self._line.trip.least
            for index in range(start, last + 1):
                if now - self._again.get(index, 0) > patience and not self._repeat(index, now):
                    return

    def _repeat(self, index: int, now: int) -> bool:
        """Send a packet again; False when the budget is spent."""
        burst = float(limits.SRT_RETRANSMIT_BURST * limits.SRT_PAYLOAD)
        rate = max(self._input.bytes * limits.SRT_RETRANSMIT_SHARE, burst)
        most = max(burst, rate / 10)
        self._allowance = min(most, self._allowance + rate * (now - self._allowed_at) / NS_PER_S)
        self._allowed_at = now
        kept = self._kept[index]
        if self._allowance < len(kept.payload):
            return False
        self._allowance -= len(kept.payload)
        self._again[index] = now
        line = self._line
        line.outputs.append(
            Transmit(
                HEADER.pack(index & SEQUENCE_MASK, kept.word | RETRANSMITTED, kept.stamp, line.peer_id) + kept.payload
            )
        )
        line.last_sent = now
        statistics = line.statistics
        statistics.pktSent += 1
        statistics.pktRetrans += 1
        statistics.byteSent += len(kept.payload)
        return True

    def tick(self, now: int) -> None:
        """Drop what is too old, go on with the queue, and remind a peer that may not know of the last packet."""
        self._input.update(now)
        self._line.statistics.mbpsSendRate = self._input.bytes * 8 / 1e6
        kept = self._kept
        oldest = now - self._drop_after
        while self.first < self.next and kept[self.first].sent < oldest:
            del kept[self.first]
            self._again.pop(self.first, None)
            self.first += 1
            self._line.statistics.pktSndDrop += 1
            self._progress = now
        trip = self._line.trip
        patience = trip.smoothed + 4 * trip.variance + 2 * limits.SRT_TICK
        once = self._fec is not None and self._fec.arq is Arq.NEVER
        if self.first < self.next and now - self._progress > patience and not once:
            self._progress = now
            self._repeat(self.next - 1, now)  # what is missing before it the peer will say by itself
        self.announce(now)
        if self.queue:
            self.pump(now)

    @property
    def in_flight(self) -> int:
        """Packets that were sent and are not acknowledged."""
        return self.next - self.first

    def wanted_at(self, now: int) -> int | None:
        """When the next `tick` is needed (ns); None while there is nothing to look after."""
        if self.queue:
            return now + limits.SRT_TICK
        return now + 5 * limits.SRT_TICK if self.first < self.next else None
