"""What every viewer says while it watches, as browsers do: a check every 2.5 s (consent), a report every second."""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bench.whep.peer import Peer

CHECK_SECONDS, REPORT_SECONDS = 2.5, 1.0
_STEP = 0.05
_OUR_SSRC = 0x5EE5EE
_HEAD, _BLOCK = struct.Struct(">BBHI"), struct.Struct(">IIIIII")


def receiver_report(highest: Mapping[int, int], ssrcs: Sequence[int]) -> bytes:
    """Nothing lost, no jitter, of those SSRCs a number is known of (RFC 3550 §6.4.2)."""
    known = [ssrc for ssrc in ssrcs if ssrc in highest]
    blocks = b"".join(_BLOCK.pack(ssrc, 0, highest[ssrc], 0, 0, 0) for ssrc in known)
    return _HEAD.pack(0x80 | len(known), 201, 1 + len(blocks) // 4, _OUR_SSRC) + blocks


class Upkeep:
    """Serves the peers in turn, evenly; `highest` are the numbers that the sampled viewers have seen."""

    def __init__(self, peers: Sequence[Peer], highest: Mapping[int, int]) -> None:
        self._peers = peers
        self._highest = highest
        self._turns = [0.0, 0.0]

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_STEP)
            for peer in self._due(0, CHECK_SECONDS):
                if peer.check:
                    _send(peer, peer.check)
            for peer in self._due(1, REPORT_SECONDS):
                if peer.outgoing is not None:
                    _send(peer, peer.outgoing.protect_rtcp(receiver_report(self._highest, peer.ssrcs)))

    def _due(self, which: int, every: float) -> list[Peer]:
        count = len(self._peers)
        before, self._turns[which] = int(self._turns[which]), self._turns[which] + count * _STEP / every
        return [self._peers[turn % count] for turn in range(before, int(self._turns[which]))] if count else []


def _send(peer: Peer, data: bytes) -> None:
    with suppress(OSError):  # a server that is gone shows at the reader
        peer.socket.send(data)
