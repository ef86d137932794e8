"""MPEG audio frame headers (ISO/IEC 11172-3 §2.4.1.3, 13818-3, and MPEG-2.5)."""

from dataclasses import dataclass
from types import MappingProxyType

from arcly_actors.errors import Malformed
from arcly_actors.media.cursor import Cursor

HEADER_BYTES = 4
_RATES = (44100, 48000, 32000)
_V1_L1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_V1_L2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_V1_L3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2_L1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_V2_L23 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BIT_RATES = MappingProxyType(
    {(1, 1): _V1_L1, (1, 2): _V1_L2, (1, 3): _V1_L3, (2, 1): _V2_L1, (2, 2): _V2_L23, (2, 3): _V2_L23}
)
_MONO = 3


@dataclass(frozen=True, slots=True)
class MpegAudioFrame:
    """What a frame header tells: `size` is bytes with the header (0: free format), `samples` per channel."""

    layer: int
    sample_rate: int
    channels: int
    size: int
    samples: int


def read_frame(data: bytes) -> MpegAudioFrame:
    """Read the frame header at the start of `data`; `Malformed` when there is none."""
    head = int.from_bytes(Cursor(data, "MPEG audio frame").take(HEADER_BYTES))
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    bit_rate_code, rate_code = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 4 or bit_rate_code == 15 or rate_code == 3:
        raise Malformed("no MPEG audio frame header")
    low = version != 3  # MPEG-2, MPEG-2.5
    sample_rate = _RATES[rate_code] >> (0 if version == 3 else 1 if version == 2 else 2)
    samples = 384 if layer == 1 else 576 if low and layer == 3 else 1152
    bit_rate = _BIT_RATES[2 if low else 1, layer][bit_rate_code] * 1000
    slot = 4 if layer == 1 else 1
    slots = samples // (8 * slot) * bit_rate // sample_rate
    size = (slots + (head >> 9 & 1)) * slot if bit_rate else 0
    return MpegAudioFrame(layer, sample_rate, 1 if head >> 6 & 3 == _MONO else 2, size, samples)
