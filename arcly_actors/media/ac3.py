"""AC-3 and E-AC-3 sync frames (ETSI TS 102 366 §4.3, §E.1.2)."""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader

_SYNC = 0x0B77
_RATES = (48000, 44100, 32000)
_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
_BLOCKS = (1, 2, 3, 6)
_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)  # kb/s


@dataclass(frozen=True, slots=True)
class Ac3Frame:
    """What a sync frame tells: `size` is its bytes, `samples` per channel in it; `enhanced` for E-AC-3."""

    enhanced: bool
    sample_rate: int
    channels: int
    size: int
    samples: int


def read_frame(data: bytes) -> Ac3Frame:
    """Read the sync frame header at the start of `data`; `Malformed` when there is none."""
    reader = BitReader(data[:16], "AC-3 frame")
    if reader.bits(16) != _SYNC:
        raise Malformed("no AC-3 syncword")
    reader.skip(24)
    stream_id = reader.bits(5)
    reader.position = 16
    if stream_id <= 10:
        return _plain(reader, stream_id)
    if stream_id <= 16:
        return _enhanced(reader)
    raise Malformed(f"AC-3 bit stream id {stream_id}")


def _plain(reader: BitReader, stream_id: int) -> Ac3Frame:
    reader.skip(16)  # crc1
    rate_code, size_code = reader.bits(2), reader.bits(6)
    if rate_code == 3 or size_code >= 2 * len(_BIT_RATES):
        raise Malformed(f"AC-3 rate code {rate_code}, size code {size_code}")
    reader.skip(5 + 3)  # bsid, bsmod
    mode = reader.bits(3)
    if mode & 1 and mode != 1:
        reader.skip(2)  # cmixlev
    if mode & 4:
        reader.skip(2)  # surmixlev
    if mode == 2:
        reader.skip(2)  # dsurmod
    channels = _CHANNELS[mode] + reader.bits(1)
    rate = _RATES[rate_code]
    words = _BIT_RATES[size_code // 2] * 96_000 // rate
    if rate == 44100:
        words += size_code & 1
    return Ac3Frame(False, rate >> max(stream_id - 8, 0), channels, words * 2, 1536)


def _enhanced(reader: BitReader) -> Ac3Frame:
    reader.skip(2 + 3)  # strmtyp, substreamid
    size = (reader.bits(11) + 1) * 2
    rate_code, blocks_code = reader.bits(2), reader.bits(2)
    if rate_code == 3:
        if blocks_code == 3:
            raise Malformed("E-AC-3 rate code is reserved")
        rate, blocks = _RATES[blocks_code] // 2, 6
    else:
        rate, blocks = _RATES[rate_code], _BLOCKS[blocks_code]
    channels = _CHANNELS[reader.bits(3)] + reader.bits(1)
    return Ac3Frame(True, rate, channels, size, blocks * 256)
