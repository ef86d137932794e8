"""A line: what one viewer gets of one kind, and where it stands in it.

It waits for a keyframe, or has a backlog (mostly the GOP that it joined at) which is sent in portions; then it is
*live* and gets the very packets that all others get. *Apart* it gets packets of its own, since something was left out
or put in for it.

No number is ever used for two different packets (AES-GCM has the number in its nonce): what a line is sent under numbers
or times of its own is remembered as it was made; everything else is the shared packets.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from arcly_actors import limits
from arcly_actors.egress.rtp_own import OwnPackets
from arcly_actors.egress.rtp_slice import Layout, Slice
from arcly_actors.egress.rtp_track import RtpTrack
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp.resend import ResendGate
from arcly_actors.protocols.rtp.rtx import wrap
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport
from arcly_actors.transport.srtp_batch import SharedPackets


class Gate(Protocol):
    """Decides which pictures a viewer gets."""

    @property
    def open(self) -> bool:
        """Whether it gets everything."""
        ...

    def passes(self, *, keyframe: bool, now: int) -> bool:
        """Whether it gets this picture."""
        ...


class OpenGate:
    """Lets everything through."""

    open = True

    def passes(self, *, keyframe: bool, now: int) -> bool:
        """Always."""
        del keyframe, now
        return True


class _Due(NamedTuple):
    """A slice to be sent under these numbers and ticks; `own`: they are not everyone's."""

    one: Slice
    sequence: int
    ticks: int
    own: bool


class RtpLine:
    """See the module. `rtx` is the payload type of retransmissions, None where they are the packets themselves."""

    def __init__(
        self, track: RtpTrack, layout: Layout, rtx: int | None, transport: DtlsSrtpTransport, gate: Gate | None = None
    ) -> None:
        self.track = track
        self.layout = layout
        self.transport = transport
        self.send = transport.send_shared
        self.live = False
        self.waiting = True
        self.unsent = 0
        self.skipped = 0
        self._rtx = rtx
        self._rtx_sequence = 0
        self._gate = gate or OpenGate()
        self._started = False
        self._next = 0  # the full number of its next packet; while it is live the track has it
        self._shared_from = 0
        self._shared_to: int | None = None  # set once it is apart for good
        self._own = OwnPackets()
        self._backlog: deque[_Due] = deque()
        self._resends = ResendGate(limits.RESEND_RATE)
        self._skipping = False
        self._ticks: int | None = None  # of its newest frame, once the GOP was put in: times of its own
        self._packets = self._octets = 0  # sent apart from the others, the others' count at the beginning taken off

    @property
    def backlog(self) -> bool:
        """Whether something waits to be sent in portions."""
        return bool(self._backlog)

    @property
    def settled(self) -> bool:
        """Whether it may be live: it has all that the others have, under the same numbers, and is to have what comes."""
        ready = not (self.live or self.waiting or self._backlog) and self._shared_to is None
        return ready and self._gate.open and self._next == self.track.sent

    @property
    def counts(self) -> tuple[int, int]:
        """Packets, and bytes of their payloads, that it was sent so far; retransmissions excepted (RFC 3550 §6.4.1)."""
        if not self.live:
            return self._packets, self._octets
        return self._packets + self.track.packets, self._octets + self.track.octets

    def can_show(self, slices: Sequence[Slice]) -> bool:
        """Whether they are of the codec that its viewer agreed to."""
        return all(one.codec is self.layout.codec for one in slices)

    # -- where it begins ----------------------------------------------------------------------------------------------

    def join_live(self) -> None:
        """Begin with the next packet: every packet of sound can be a beginning."""
        self._start(self.track.sent)

    def join_at(self, gop: Sequence[Slice]) -> None:
        """Begin with the GOP up to now; its times are compressed so that it ends at live."""
        self._start(gop[-1].end)
        for one, ticks in zip(gop, _ending_at(gop[-1].ticks, gop, self.track.rate), strict=True):
            self._backlog.append(_Due(one, one.sequence, ticks, own=True))

    def put_in(self, gop: Sequence[Slice]) -> bool:
        """Give the GOP again, under new numbers, to a viewer that lost its references; False when that cannot be now:
        before it began, behind a backlog, while a picture has left in part, or when too little time is left for it.
        """
        times = _between(gop, self.track.rate, self._ticks)
        ready = self._started and not self._backlog and self.track.next == self.track.sent
        if not ready or times is None or not self.can_show(gop):
            return False
        self.part()
        self._depart()
        self.waiting = False
        self._ticks = times[-1]
        for one, ticks in zip(gop, times, strict=True):
            self._backlog.append(_Due(one, self._next, ticks, own=True))
            self._next += len(one.chunks)
        return True

    def go_on(self) -> bool:
        """Its actor is back: send what came meanwhile. False when that is forgotten, and a keyframe is needed."""
        if not self._started or self.waiting:
            return False
        missed = self.track.from_number(self._next) if self._shared_to is None else ()
        missed = missed if self.can_show(missed) else ()
        if not missed and self._next != self.track.sent:
            if self._backlog:
                self._next = self._backlog[0].sequence  # these numbers have not been used
                self._backlog.clear()
            self._depart()
            self.waiting = True
            return False
        for one in missed:
            self._backlog.append(_Due(one, one.sequence, one.ticks, own=False))
            self._next = one.end
        return True

    def go_live(self) -> None:
        """From now on it gets what all others get; see `settled`."""
        self.live = True
        self._packets -= self.track.packets
        self._octets -= self.track.octets

    def part(self) -> None:
        """No longer live."""
        if self.live:
            self._packets, self._octets = self.counts
            self.live = False
            self._next = self.track.sent

    def _start(self, number: int) -> None:
        self.waiting = False
        if not self._started:
            self._started = True
            self._next = self._shared_from = number

    def _depart(self) -> None:
        """From here on its numbers are not everyone's."""
        if self._shared_to is None:
            self._shared_to = self._next

    # -- what it gets -------------------------------------------------------------------------------------------------

    def take(self, one: Slice, now: int) -> None:
        """A slice leaves, and this line is not live: send it, queue it, or leave it out."""
        if self.waiting:
            if not (one.keyframe and one.opens):
                return
            self._start(one.sequence)
        if one.opens:
            self._skipping = not self._gate.passes(keyframe=one.keyframe, now=now)
            self.skipped += self._skipping
        if self._skipping:
            self._depart()
            return
        if self._next != one.sequence:
            self._depart()
        due = _Due(one, self._next, self._rising(one), own=self._shared_to is not None)
        self._next += len(one.chunks)
        if self._backlog:
            self._backlog.append(due)
        else:
            self._transmit(due, now, one.wall)

    def _rising(self, one: Slice) -> int:
        """A slice's ticks, later than those of a GOP that was put in."""
        if self._ticks is None:
            return one.ticks
        if one.opens:
            self._ticks = max(one.ticks, self._ticks + 1)
        return self._ticks

    def portion(self, size: int, now: int, wall: int) -> int:
        """Send up to `size` bytes of the backlog, at least one slice; the bytes that were sent."""
        done = 0
        while self._backlog and done < size:
            done += self._transmit(self._backlog.popleft(), now, wall)
        return done

    def _transmit(self, due: _Due, now: int, wall: int) -> int:
        one, layout = due.one, self.layout
        if due.own:
            packets = SharedPackets(one.made(layout, due.sequence, due.ticks, wall))
            self._own.add(one, due.sequence, due.ticks, wall, now)
        else:
            packets = one.packets(layout)
        self._packets += len(one.chunks)
        self._octets += one.octets
        if not self.send(packets):
            self.unsent += len(packets.packets)
        return sum(map(len, packets.packets))

    # -- what it asks for again ---------------------------------------------------------------------------------------

    def resend(self, sequences: Sequence[int], now: int) -> None:
        """A NACK: send again what is still here, as much as `limits.RESEND_RATE` allows.

        To a viewer that gets keyframes only, only those: the rest would stand in their way on a path that is full.
        """
        for sequence in sequences[: limits.NACK_PACKETS]:  # one datagram can name six thousand
            packet = self._own.find(sequence, self.layout, now) or (self._shared(sequence) if self._gate.open else None)
            if packet is None or not self._resends.admits(sequence, len(packet), now):
                continue
            if self._rtx is not None:
                packet = wrap(packet, self._rtx, self.track.rtx_ssrc, self._rtx_sequence)
                self._rtx_sequence += 1
            self.send(SharedPackets((packet,)))

    def forget(self, now: int) -> None:
        """Let go of packets of its own that nobody can ask for any more."""
        self._own.forget(now)

    def heard_round_trip(self, rtt: int) -> None:
        """The way to the viewer and back takes this long (ns): how soon the same packet may be asked for again."""
        self._resends.rtt = rtt

    def _shared(self, sequence: int) -> bytes | None:
        number = self.track.full(sequence)
        if not self._started or number < self._shared_from or (self._shared_to is not None and number >= self._shared_to):
            return None
        return self.track.find(number, self.layout)


def _ending_at(last: int, gop: Sequence[Slice], rate: int) -> list[int]:
    """Ticks for the slices of a GOP: its frames `limits.REPLAY_SPACING` apart, the last one at `last`."""
    step = from_ns(limits.REPLAY_SPACING, rate)
    return [last - behind * step for behind in _behind(gop)]


def _between(gop: Sequence[Slice], rate: int, shown: int | None) -> list[int] | None:
    """Ticks that follow the newest frame's and what was `shown`, and come before those of the next frame.

    None when there are too many frames for that.
    """
    frames = sorted({one.ticks for one in gop})
    begin = max(frames[-1], shown or 0)
    most = from_ns(limits.REPLAY_SPACING, rate)
    step = min(most, (2 * frames[-1] - frames[-2] - begin) // (len(frames) + 1)) if len(frames) > 1 else most
    return [begin + (len(frames) - behind) * step for behind in _behind(gop)] if step > 0 else None


def _behind(gop: Sequence[Slice]) -> list[int]:
    """For each slice how many frames come after its own."""
    frames = sum(one.opens for one in gop)
    behind = frames
    found = []
    for one in gop:
        behind -= one.opens
        found.append(behind)
    return found
