"""H.264: what kind of picture an access unit holds, told from the header of its first slice (ITU-T H.264 §7.3.3)."""

from enum import StrEnum

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader, unescape

_SLICES = frozenset({1, 2, 5})
_B_SLICE = 1
_HEADER_BYTES = 16
"""More than two Exp-Golomb codes of 32 bits and their emulation-prevention bytes take."""


class Picture(StrEnum):
    """A picture's place in prediction.

    `FORWARD`: I and P pictures. `B_REFERENCE`: a B picture that others refer to. `B_DISPOSABLE`: one that none does
    (nal_ref_idc 0, §7.4.1), which can be left out without harm to any other.
    """

    FORWARD = "forward"
    B_REFERENCE = "b-reference"
    B_DISPOSABLE = "b-disposable"


def read_picture(payload: bytes) -> Picture | None:
    """The kind of the picture in an access unit (4-byte lengths); None when it holds no slice.

    Only the first slice is looked at, and of that only the first bytes. `Malformed` when a length or the header is wrong.
    """
    position, size = 0, len(payload)
    while position + 4 < size:
        start = position + 4
        end = start + int.from_bytes(payload[position:start])
        if end > size:
            raise Malformed(f"NAL unit at {position} ends at {end}, past the {size} bytes of its frame")
        if end > start and payload[start] & 0x1F in _SLICES:
            return _read_header(payload[start : min(end, start + _HEADER_BYTES)])
        position = end
    return None


def _read_header(unit: bytes) -> Picture:
    reader = BitReader(unescape(unit)[1:], "slice header")
    reader.ue()  # first_mb_in_slice
    if reader.ue() % 5 != _B_SLICE:
        return Picture.FORWARD
    return Picture.B_REFERENCE if unit[0] >> 5 & 3 else Picture.B_DISPOSABLE
