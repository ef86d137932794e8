"""RTP packets of one stream we send, made once and shared by every viewer of the same payload type map."""

from collections.abc import Sequence

from arcly_actors.protocols.rtp import extensions
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.rtp.packet import FIXED
from arcly_actors.protocols.rtp.payload.unit import RtpChunk


class OutgoingStream:
    """Numbers and heads the payloads of one SSRC. `sequence` is the next one, below 2^15 at first (RFC 3550 A.1 is
    safest so) and from the caller's entropy; `packets` and `octets` count as RFC 3550 §6.4.1 has it."""

    def __init__(self, ssrc: int, payload_type: int, sequence: int, elements: Sequence[Element] = ()) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = sequence & 0xFFFF
        self.packets = 0
        self.octets = 0
        self._elements = tuple(elements)
        self._block = extensions.build(elements)

    def build(self, chunks: Sequence[RtpChunk], timestamp: int, elements: Sequence[Element] = ()) -> list[bytes]:
        """The packets of one frame at `timestamp` ticks (any integer; 32 bits are sent). 0.3 µs each.

        `elements` are header extensions of this frame only (its send time), after those that every packet has.
        """
        pack, ssrc, sequence = FIXED.pack, self.ssrc, self.sequence
        block = extensions.build((*self._elements, *elements)) if elements else self._block
        first = 0x90 if block else 0x80
        plain, marked = self.payload_type, self.payload_type | 0x80
        made: list[bytes] = []
        for payload, marker, offset in chunks:
            head = pack(first, marked if marker else plain, sequence, timestamp + offset & 0xFFFFFFFF, ssrc)
            made.append(b"".join((head, block, payload)))
            sequence = sequence + 1 & 0xFFFF
            self.octets += len(payload)
        self.sequence = sequence
        self.packets += len(made)
        return made
