"""NAL units of H.264 and H.265 in their two framings: length-prefixed (ISO/IEC 14496-15) and Annex B (start codes)."""

import re
from collections.abc import Iterable
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.codec import CodecId

START_CODE = b"\x00\x00\x00\x01"
_START = re.compile(rb"\x00\x00\x01")
_LENGTH_SIZE_AT = MappingProxyType({CodecId.H264: 4, CodecId.H265: 21})


def split(payload: bytes, length_size: int = 4) -> list[bytes]:
    """The NAL units of a length-prefixed access unit, empty ones left out.

    `Malformed` when a length points past the end, `PeerLimit` beyond `limits.NAL_UNITS`.
    """
    units: list[bytes] = []
    position, size = 0, len(payload)
    while position < size:
        start = position + length_size
        end = start + int.from_bytes(payload[position:start])
        if start > size or end > size:
            raise Malformed(f"NAL unit at {position} ends at {end}, past the {size} bytes of its frame")
        if end > start:
            units.append(payload[start:end])
        position = end
        if len(units) > limits.NAL_UNITS:
            raise _too_many()
    return units


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units between start codes (ITU-T H.264 annex B), without trailing zero bytes.

    Bytes before the first start code belong to no unit and are left out; `PeerLimit` beyond `limits.NAL_UNITS`.
    """
    units: list[bytes] = []
    start = -1
    for found in _START.finditer(data):
        if start >= 0:
            _append(units, data[start : found.start()])
        start = found.end()
    if start >= 0:
        _append(units, data[start:])
    return units


def join(units: Iterable[bytes], length_size: int = 4) -> bytes:
    """Length-prefixed framing of the units."""
    return b"".join(part for unit in units for part in (len(unit).to_bytes(length_size), unit))


def join_annex_b(units: Iterable[bytes]) -> bytes:
    """Annex B framing of the units, with four-byte start codes."""
    return b"".join(part for unit in units for part in (START_CODE, unit))


def to_annex_b(payload: bytes) -> bytes:
    """A frame's payload (4-byte lengths) as Annex B."""
    return join_annex_b(split(payload))


def from_annex_b(data: bytes) -> bytes:
    """Annex B as a frame's payload (4-byte lengths)."""
    return join(split_annex_b(data))


def length_size(codec: CodecId, configuration: bytes) -> int:
    """The bytes of a NAL unit length under this avcC or hvcC; 4 for every other codec."""
    at = _LENGTH_SIZE_AT.get(codec)
    return 4 if at is None or len(configuration) <= at else (configuration[at] & 3) + 1


def with_wide_lengths(codec: CodecId, configuration: bytes) -> bytes:
    """The same avcC or hvcC for payloads with lengths of 4 bytes (ISO/IEC 14496-15 §5.3.3.1, §8.3.3.1)."""
    at = _LENGTH_SIZE_AT.get(codec)
    if at is None or length_size(codec, configuration) == 4:
        return configuration
    return configuration[:at] + bytes((configuration[at] | 3,)) + configuration[at + 1 :]


def widen(payload: bytes, length_size: int) -> bytes:
    """A payload with lengths of 1, 2 or 4 bytes as a frame's payload (4 bytes): the same object when it is one."""
    return payload if length_size == 4 else join(split(payload, length_size))


def _append(units: list[bytes], unit: bytes) -> None:
    unit = unit.rstrip(b"\x00")
    if unit:
        units.append(unit)
        if len(units) > limits.NAL_UNITS:
            raise _too_many()


def _too_many() -> PeerLimit:
    return PeerLimit(f"more than {limits.NAL_UNITS} NAL units in one frame")
