"""AAC in LATM (ISO/IEC 14496-3 §1.7): one frame of AudioSyncStream to raw AAC packets and their configuration."""

from typing import Final

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import aac
from arcly_actors.media.bits import BitReader

HEADER: Final = 3
_SYNC: Final = 0x2B7


def loas_size(data: bytes) -> int:
    """The bytes of the LOAS frame that begins so (at least `HEADER`); `Malformed` when none does."""
    head = int.from_bytes(data[:HEADER])
    if len(data) < HEADER or head >> 13 != _SYNC:
        raise Malformed("no LOAS syncword")
    return HEADER + (head & 0x1FFF)


class LatmReader:
    """Reads AudioMuxElements; `configuration` is the newest AudioSpecificConfig, empty before the first.

    One programme of one layer in whole frames, as broadcasts have it; anything else is `Malformed`.
    """

    def __init__(self) -> None:
        self.configuration = b""
        self._packets = 1

    def read(self, element: bytes) -> list[bytes]:
        """The raw packets of an AudioMuxElement (a LOAS frame without its header); none before a configuration came."""
        reader = BitReader(element, "LATM")
        if not reader.flag():  # useSameStreamMux
            self._stream_mux(reader, element)
        if not self.configuration:
            return []
        packets = []
        for _ in range(self._packets):
            size = 0
            while (step := reader.bits(8)) == 255:
                size += step
            packets.append(reader.bits(8 * (size + step)).to_bytes(size + step))
        return packets

    def _stream_mux(self, reader: BitReader, element: bytes) -> None:
        version = reader.bits(1)
        if version and reader.bits(1):
            raise Malformed("LATM: audioMuxVersionA 1 is reserved")
        if version:
            _value(reader)  # taraBufferFullness
        same_framing, packets = reader.flag(), reader.bits(6) + 1
        if not same_framing or reader.bits(4) or reader.bits(3):
            raise Malformed("LATM with several programmes or layers")
        size = _value(reader) if version else 0
        start = reader.position
        rest = _bits_from(element, start)
        used = aac.configuration_bits(rest)
        if version and used > size:
            raise Malformed("LATM: AudioSpecificConfig longer than told")
        reader.position = start + (size if version else used)
        if reader.bits(3):
            raise Malformed("LATM: frames of a fixed length are for speech codecs")
        reader.skip(8)  # latmBufferFullness
        if reader.flag():
            _other_data(reader, version)
        if reader.flag():
            reader.skip(8)  # crcCheckSum
        kept = int.from_bytes(rest) >> (8 * len(rest) - used) << (-used % 8)
        configuration = kept.to_bytes((used + 7) // 8)
        if len(configuration) > limits.CONFIGURATION_BYTES:
            raise Malformed("LATM: AudioSpecificConfig too long")
        self.configuration, self._packets = configuration, packets


def _bits_from(data: bytes, position: int) -> bytes:
    """The bytes that begin at a bit."""
    left = 8 * len(data) - position
    value = int.from_bytes(data) & ((1 << left) - 1)
    return (value << (-left % 8)).to_bytes((left + 7) // 8)


def _other_data(reader: BitReader, version: int) -> None:
    if version:
        _value(reader)
        return
    while reader.flag():
        reader.skip(8)
    reader.skip(8)


def _value(reader: BitReader) -> int:
    """LatmGetValue (§1.7.3.1)."""
    size = reader.bits(2) + 1
    return reader.bits(8 * size)
