"""What leaves together: a frame, or a part of a large one, as packets that all viewers with the same header share."""

from collections.abc import Sequence
from dataclasses import dataclass

from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.rtp import extensions
from arcly_actors.protocols.rtp.extensions import Element, abs_send_time
from arcly_actors.protocols.rtp.outgoing import packets
from arcly_actors.protocols.rtp.payload.unit import RtpChunk
from arcly_actors.transport.srtp_batch import SharedPackets


@dataclass(frozen=True, slots=True)
class Layout:
    """What the answers of viewers may differ in: viewers with an equal layout get the same packets.

    `elements` are the header extensions that every packet has (its mid), `send_time` the id of abs-send-time, 0 without;
    `color_space` that of the colour space. `mixed`: it may take the two-byte form.
    """

    codec: CodecId
    ssrc: int
    payload_type: int
    elements: tuple[Element, ...] = ()
    send_time: int = 0
    color_space: int = 0
    mixed: bool = False

    def __hash__(self) -> int:
        return hash((self.ssrc, self.payload_type))  # asked for with every frame; others are told apart by `==`

    def block(self, wall: int, *further: Element) -> bytes:
        """The header extension of packets that leave at `wall` (ns since 1970), with `further` elements."""
        if not self.send_time:
            return extensions.build((*self.elements, *further))
        return extensions.build((*self.elements, (self.send_time, abs_send_time(wall)), *further))

    def coloured(self, wall: int, color_space: bytes) -> bytes:
        """The same with a colour space; without its HDR part where that would need the form that is not taken."""
        value = color_space if self.mixed else color_space[:_SDR]
        return self.block(wall, (self.color_space, value))


_SDR = 4
"""The bytes of a colour space before its HDR part."""


class Slice:
    """See the module. `sequence` is the full (unwrapped) number of its first packet, `position` its frame's in the log.

    `codec` is the frame's. `opens`: it begins a frame; `keyframe`: of a keyframe. `sent` is when it left (monotonic ns),
    `wall` that since 1970.
    `color_space` goes with its last packet, empty for none.
    """

    __slots__ = (
        "_built",
        "chunks",
        "codec",
        "color_space",
        "keyframe",
        "octets",
        "opens",
        "position",
        "sent",
        "sequence",
        "ticks",
        "wall",
    )

    def __init__(
        self,
        codec: CodecId,
        position: int,
        sequence: int,
        ticks: int,
        chunks: Sequence[RtpChunk],
        *,
        opens: bool,
        keyframe: bool,
    ) -> None:
        self.codec = codec
        self.position = position
        self.sequence = sequence
        self.ticks = ticks
        self.chunks = chunks
        self.octets = sum([len(payload) for payload, _, _ in chunks])
        self.opens = opens
        self.keyframe = keyframe
        self.color_space = b""
        self.sent = self.wall = 0
        self._built: dict[Layout, SharedPackets] = {}

    @property
    def end(self) -> int:
        """The number after its last packet's."""
        return self.sequence + len(self.chunks)

    def packets(self, layout: Layout) -> SharedPackets:
        """Its packets, made at the first call: the very same bytes at each one, as retransmission has to have them."""
        built = self._built.get(layout)
        if built is None:
            built = self._built[layout] = SharedPackets(self.made(layout, self.sequence, self.ticks, self.wall))
        return built

    def made(self, layout: Layout, sequence: int, ticks: int, wall: int) -> list[bytes]:
        """Its packets under other numbers, for one viewer."""
        ssrc, payload_type, chunks, block = layout.ssrc, layout.payload_type, self.chunks, layout.block(wall)
        if not (self.color_space and layout.color_space):
            return packets(ssrc, payload_type, sequence, ticks, chunks, block, even=True)
        made = packets(ssrc, payload_type, sequence, ticks, chunks[:-1], block)
        block = layout.coloured(wall, self.color_space)
        return made + packets(ssrc, payload_type, sequence + len(made), ticks, chunks[-1:], block)

    def cool(self) -> None:
        """Nobody can ask for its packets again: forget them; a joiner may still have their contents."""
        self._built.clear()
