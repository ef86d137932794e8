"""AAC as mpeg4-generic (RFC 3640): AU headers, several units in a packet, units in several packets; both ways.

High bit-rate AAC (§3.3.6) is what is sent and what everyone uses; the widths of another mode come from its fmtp.
Interleaving (index deltas other than 0) and the optional header fields are malformed here.
"""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.audio import Timed
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

_HEADERS_BYTES = 4
_LARGEST = (1 << 13) - 1


@dataclass(frozen=True, slots=True)
class AacForm:
    """The fmtp of an mpeg4-generic stream: bits of each AU header field, and `frame_length`, the ticks of a unit."""

    size_length: int = 13
    index_length: int = 3
    index_delta_length: int = 3
    frame_length: int = 1024


class AacPacketiser:
    """A `Packetiser` of AAC-hbr: one unit for each packet, so that a loss costs one, or a unit in fragments."""

    def __init__(self, most: int = limits.RTP_PAYLOAD) -> None:
        self._most = most - _HEADERS_BYTES

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one raw AAC packet; every fragment tells the size of the whole (§3.2.3.1)."""
        data = frame.payload
        if not 0 < len(data) <= _LARGEST:
            raise Malformed(f"AAC packet of {len(data)} bytes")
        header = b"\x00\x10" + (len(data) << 3).to_bytes(2)
        cuts = nal_units.pieces(len(data), self._most)
        return [RtpChunk(header + data[start:end], end == len(data)) for start, end in cuts]


class AacReading:
    """Reads payloads for an `AudioDepacketiser`; holds the fragments of one unit, which its size bounds."""

    def __init__(self, form: AacForm) -> None:
        self._form = form
        self._fragments = b""
        self._wanted = 0

    def read(self, payload: bytes, _marker: bool) -> list[Timed]:
        """The units that are whole with this packet. `Malformed` when sizes and bytes do not agree."""
        sizes, start = self._sizes(payload)
        if self._fragments or (len(sizes) == 1 and sizes[0] > len(payload) - start):
            return self._fragment(sizes, payload[start:])
        if start + sum(sizes) > len(payload):
            raise Malformed(f"AAC units of {sum(sizes)} bytes in {len(payload) - start}")
        units: list[Timed] = []
        for index, size in enumerate(sizes):
            if size:
                units.append((index * self._form.frame_length, payload[start : start + size]))
            start += size
        return units

    def clear(self) -> None:
        """Forget the fragments."""
        self._fragments, self._wanted = b"", 0

    def _sizes(self, payload: bytes) -> tuple[list[int], int]:
        """The sizes in the AU headers (§3.2.1), and where the data begins."""
        form = self._form
        if form.size_length == 13 and form.index_length == 3 and payload[:2] == b"\x00\x10" and len(payload) > 3:
            if payload[3] & 7:
                raise Malformed("interleaved AAC")
            return [payload[2] << 5 | payload[3] >> 3], 4  # one unit, of the mode that everyone uses
        bits = int.from_bytes(payload[:2])
        start = 2 + (bits + 7) // 8
        if len(payload) < start:
            raise Malformed("AAC packet ends within its AU headers")
        reader = BitReader(payload[2:start], "AU headers")
        sizes: list[int] = []
        while bits > 0:
            sizes.append(reader.bits(form.size_length))
            index_bits = form.index_delta_length if len(sizes) > 1 else form.index_length
            if reader.bits(index_bits):
                raise Malformed("interleaved AAC")
            bits -= form.size_length + index_bits
            if len(sizes) > limits.AAC_UNITS:
                raise Malformed(f"more than {limits.AAC_UNITS} AAC units in one packet")
        if bits or not sizes:
            raise Malformed("AU headers of a size that is not theirs")
        return sizes, start

    def _fragment(self, sizes: list[int], data: bytes) -> list[Timed]:
        if len(sizes) != 1 or (self._fragments and sizes[0] != self._wanted):
            raise Malformed("a fragment of AAC amid those of another unit")
        self._wanted = sizes[0]
        self._fragments += data
        if len(self._fragments) < self._wanted:
            return []
        whole, wanted = self._fragments, self._wanted
        self.clear()
        if len(whole) > wanted:
            raise Malformed("fragments of AAC are longer than their unit")
        return [(0, whole)]
