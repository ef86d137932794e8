"""H.265: hvcC (ISO/IEC 14496-15 §8.3.3), random access. The SPS itself is read in `hevc_sps`."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media import nal
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.hevc_sps import Sps, read_sps

VPS, SPS, PPS, DELIMITER = 32, 33, 34, 35
_FIRST_IRAP, _LAST_IRAP, _LAST_PICTURE = 16, 23, 31
_FIXED_BYTES = 22


@dataclass(frozen=True, slots=True)
class HevcConfiguration:
    """What an hvcC says: `general` is the 12 bytes of profile, compatibility, constraints and level."""

    general: bytes
    frame_rate: float
    length_size: int
    units: tuple[bytes, ...]

    @property
    def codec(self) -> str:
        """The ISO/IEC 14496-15 §E.3 name, as ``hvc1.1.6.L93.B0``."""
        return codec_string(self.general)

    def described(self) -> Sps | None:
        """The first SPS, read; None when the parameter sets are only in-band."""
        found = next((unit for unit in self.units if kind(unit) == SPS), None)
        return read_sps(found) if found is not None else None


def kind(unit: bytes) -> int:
    """The nal_unit_type."""
    return unit[0] >> 1 & 0x3F


def codec_string(general: bytes) -> str:
    """The RFC 6381 name of 12 bytes of profile_tier_level."""
    space = ("", "A", "B", "C")[general[0] >> 6]
    compatibility = int(f"{int.from_bytes(general[1:5]):032b}"[::-1], 2)
    tier = "H" if general[0] & 0x20 else "L"
    constraints = "".join(f".{byte:X}" for byte in general[5:11].rstrip(b"\x00"))
    return f"hvc1.{space}{general[0] & 0x1F}.{compatibility:X}.{tier}{general[11]}{constraints}"


def read_configuration(data: bytes) -> HevcConfiguration:
    """Read an hvcC; `Malformed` when it is cut or of another version.

    Version 0 is taken as 1: FFmpeg wrote it for years before the standard was final.
    """
    cursor = Cursor(data, "hvcC")
    if (version := cursor.u8()) > 1:
        raise Malformed(f"hvcC version {version}, 1 is the only one")
    general = cursor.take(12)
    cursor.skip(_FIXED_BYTES - cursor.position - 3)
    rate = cursor.u16()
    length_size = (cursor.u8() & 3) + 1
    if length_size == 3:
        raise Malformed("hvcC: NAL unit lengths of 3 bytes are reserved")
    units: list[bytes] = []
    for _ in range(cursor.u8()):
        cursor.skip(1)
        # A unit is at least its length of 2 bytes, so the bytes of the record bound the count.
        units.extend(cursor.take(cursor.u16()) for _ in range(cursor.u16()))
    return HevcConfiguration(general, rate / 256, length_size, tuple(unit for unit in units if len(unit) >= 2))


def write_configuration(vps: Iterable[bytes], sps: Iterable[bytes], pps: Iterable[bytes]) -> bytes:
    """The hvcC for these parameter sets (at least one SPS), with NAL unit lengths of 4 bytes."""
    arrays = {VPS: tuple(vps), SPS: tuple(sps), PPS: tuple(pps)}
    if not arrays[SPS]:
        raise Malformed("no hvcC without an SPS")
    if any(len(unit) > 0xFFFF for units in arrays.values() for unit in units):
        raise Malformed("a parameter set is longer than 65535 bytes")
    described = read_sps(arrays[SPS][0])
    layers = described.sub_layers << 3 | described.nested << 2 | 3
    record = bytes((1,)) + described.general + b"\xf0\x00\xfc"  # no segmentation limit, no parallelism told
    record += bytes(
        (0xFC | described.chroma_format, 0xF8 | described.bit_depth - 8, 0xF8 | described.bit_depth_chroma - 8)
    )
    record += b"\x00\x00" + bytes((layers, sum(1 for units in arrays.values() if units)))
    for number, units in arrays.items():
        if units:
            record += bytes((0x80 | number,)) + len(units).to_bytes(2) + nal.join(units, 2)
    return record


def configuration_in(payload: bytes) -> bytes:
    """The hvcC of the parameter sets inside an access unit (4-byte lengths); empty when one kind is missing."""
    found = parameter_sets(nal.split(payload))
    return write_configuration(*found) if all(found) else b""


def parameter_sets(units: Iterable[bytes]) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]:
    """The different VPSs, SPSs and PPSs among these NAL units."""
    found: dict[int, dict[bytes, None]] = {VPS: {}, SPS: {}, PPS: {}}
    for unit in units:
        if (number := kind(unit)) in found:
            found[number][unit] = None
    return tuple(found[VPS]), tuple(found[SPS]), tuple(found[PPS])


def is_keyframe(payload: bytes) -> bool:
    """Whether the access unit (4-byte lengths) is an IRAP picture: IDR, CRA or BLA (ITU-T H.265 §3.76)."""
    return opens(nal.split(payload))


def opens(units: Iterable[bytes]) -> bool:
    """`is_keyframe` of an access unit's NAL units."""
    for unit in units:
        number = kind(unit)
        if number <= _LAST_PICTURE:
            return _FIRST_IRAP <= number <= _LAST_IRAP
    return False
