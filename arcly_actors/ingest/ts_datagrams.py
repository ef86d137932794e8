"""A transport stream in datagrams, bare or in RTP (RFC 2250 §2), from one of those who may send it. Pure.

The first host that sends is the one that is listened to, until it has been silent for `silence`: two encoders on one port
would make one stream of nobody's. RTP is put in order (`JitterBuffer`); what is missing, the transport stream's own
counters tell.
"""

from collections import Counter
from typing import Final

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.media.mpegts.sync import PACKET, SYNC
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.packet import is_rtcp, parse

_MP2T: Final = 33
_DYNAMIC: Final = range(96, 128)


class TsDatagrams:
    """See the module. Datagrams that are dropped are in `counts`: ``other-source``, ``not-ts``, and RTP's ``late`` and
    ``duplicate``; the rest is `TsSource`'s.
    """

    def __init__(
        self,
        program: int | None = None,
        *,
        every: bool = False,
        sources: tuple[str, ...] = (),
        silence: int = limits.TS_SILENCE,
    ) -> None:
        self._program = program
        self._every = every
        self._allowed = frozenset(sources)
        self._silence = silence
        self._heard = 0
        self.source = ""
        """The host that is listened to; empty while nobody sends."""
        self.counts: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        self._stream = TsSource(self._program, every=self._every, counts=self.counts)
        self._jitter = JitterBuffer()
        self._ssrc: int | None = None

    @property
    def wake_at(self) -> int | None:
        """When `wake` is due at the latest; None while nobody sends."""
        if not self.source:
            return None
        due = (self._heard + self._silence, self._stream.wake_at, self._jitter.wake_at)
        return min(at for at in due if at is not None)

    def receive(self, data: bytes, source: str, now: int) -> list[tuple[int, TsItem]]:
        """A datagram of a host: (programme, item) in order."""
        if source != self.source and not self._admit(data, source):
            return []
        if data[:1] == b"\x47":
            self._heard = now
            return self._stream.receive(data, now)
        return self._rtp(data, now)

    def wake(self, now: int) -> list[tuple[int, TsItem]]:
        """Time went by. After a silence, what there was comes to its end, and `source` is empty."""
        if not self.source:
            return []
        if now - self._heard >= self._silence:
            last = self._stream.flush(now)
            self.source = ""
            self._begin()
            return last
        return [*self._ordered(now), *self._stream.wake(now)]

    def _admit(self, data: bytes, source: str) -> bool:
        if self.source or (self._allowed and source not in self._allowed):
            self.counts["other-source"] += 1
            return False
        if not _is_ts(data):
            self.counts["not-ts"] += 1
            return False
        self.source = source
        return True

    def _rtp(self, data: bytes, now: int) -> list[tuple[int, TsItem]]:
        try:
            packet = parse(data)
        except Malformed:
            self.counts["not-ts"] += 1
            return []
        if is_rtcp(data):
            return []  # a sender's reports, on the same port
        if packet.payload_type != _MP2T and packet.payload_type not in _DYNAMIC:
            self.counts["not-ts"] += 1
            return []
        if packet.ssrc != self._ssrc:
            self._ssrc, self._jitter = packet.ssrc, JitterBuffer()
        self._heard = now
        self._jitter.push(packet, now)
        return self._ordered(now)

    def _ordered(self, now: int) -> list[tuple[int, TsItem]]:
        made: list[tuple[int, TsItem]] = []
        for ordered in self._jitter.pop(now):
            made += self._stream.receive(ordered.packet.payload, ordered.arrival)
        for reason in ("late", "duplicate"):
            if self._jitter.counts[reason]:
                self.counts[reason] += self._jitter.counts.pop(reason)
        return made


def _is_ts(data: bytes) -> bool:
    """Whether the first datagram of a host can be a transport stream's: packets, or RTP with packets in it."""
    if len(data) >= PACKET and data[0] == SYNC:
        return True
    return len(data) >= PACKET + 12 and data[0] >> 6 == 2 and SYNC in data[12:76:4] and not is_rtcp(data)
