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

    `elements` are the header extensions that every packet has (its mid), `send_time` the id of abs-send-time, 0 without.
    """

    codec: CodecId
    ssrc: int
    payload_type: int
    elements: tuple[Element, ...] = ()
    send_time: int = 0

    def block(self, wall: int) -> bytes:
        """The header extension of packets that leave at `wall` (ns since 1970)."""
        if not self.send_time:
            return extensions.build(self.elements)
        return extensions.build((*self.elements, (self.send_time, abs_send_time(wall))))


class Slice:
    """See the module. `sequence` is the full (unwrapped) number of its first packet, `position` its frame's in the log.

    `opens`: it begins a frame; `keyframe`: of a keyframe. `sent` is when it left (monotonic ns), `wall` that since 1970.
    """

    __slots__ = ("_built", "chunks", "keyframe", "opens", "position", "sent", "sequence", "ticks", "wall")

    def __init__(
        self, position: int, sequence: int, ticks: int, chunks: Sequence[RtpChunk], *, opens: bool, keyframe: bool
    ) -> None:
        self.position = position
        self.sequence = sequence
        self.ticks = ticks
        self.chunks = chunks
        self.opens = opens
        self.keyframe = keyframe
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
        return packets(layout.ssrc, layout.payload_type, sequence, ticks, self.chunks, layout.block(wall))

    def cool(self) -> None:
        """Nobody can ask for its packets again: forget them; a joiner may still have their contents."""
        self._built.clear()
