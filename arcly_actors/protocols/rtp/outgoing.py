"""RTP packets of one stream we send, made once and shared by every viewer of the same payload type map."""

from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.protocols.rtp import extensions
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.rtp.packet import FIXED
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

_PADDED = 0x20


def packets(
    ssrc: int,
    payload_type: int,
    sequence: int,
    ticks: int,
    chunks: Sequence[RtpChunk],
    block: bytes = b"",
    *,
    even: bool = False,
) -> list[bytes]:
    """The packets of one frame at `ticks`; `sequence` is the first one's number. 0.3 µs each.

    Numbers and ticks may be unwrapped: 16 and 32 bits of them are sent. `block` is the header extension as
    `extensions.build` makes it. `even`: a last packet that is a little shorter than the first is padded (RFC 3550 §5.1),
    so that segmentation offload may go on behind it with something else.
    """
    pack = FIXED.pack
    first = 0x90 if block else 0x80
    marked = payload_type | 0x80
    made: list[bytes] = []
    for payload, marker, offset in chunks:
        kind = marked if marker else payload_type
        head = pack(first, kind, sequence & 0xFFFF, ticks + offset & 0xFFFFFFFF, ssrc)
        made.append(b"".join((head, block, payload)))
        sequence += 1
    if even and len(made) > 1 and 0 < (short := len(made[0]) - len(made[-1])) <= limits.RTP_PADDING:
        last = made[-1]
        made[-1] = b"".join((bytes((last[0] | _PADDED,)), last[1:], bytes(short - 1), bytes((short,))))
    return made


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
        """The packets of one frame at `timestamp` ticks.

        `elements` are header extensions of this frame only (its send time), after those that every packet has.
        """
        block = extensions.build((*self._elements, *elements)) if elements else self._block
        made = packets(self.ssrc, self.payload_type, self.sequence, timestamp, chunks, block)
        self.sequence = self.sequence + len(made) & 0xFFFF
        self.packets += len(made)
        self.octets += sum(len(chunk.payload) for chunk in chunks)
        return made
