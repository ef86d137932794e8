"""H.264: avcC (ISO/IEC 14496-15 §5.3.3), slice kinds, random access. The SPS itself is read in `avc_sps`."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import nal
from arcly_actors.media.avc_sps import HIGH_PROFILES, Sps, read_sps
from arcly_actors.media.bits import BitReader, unescape
from arcly_actors.media.cursor import Cursor

SLICE, IDR, SEI, SPS, PPS, DELIMITER = 1, 5, 6, 7, 8, 9
_RECOVERY_POINT = 6


@dataclass(frozen=True, slots=True)
class AvcConfiguration:
    """What an avcC says; `length_size` is the bytes of each NAL unit's length in the stream it came with."""

    profile: int
    compatibility: int
    level: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length_size: int = 4

    @property
    def codec(self) -> str:
        """The RFC 6381 §3.3 name, as ``avc1.64001f``."""
        return f"avc1.{self.profile:02x}{self.compatibility:02x}{self.level:02x}"

    def described(self) -> Sps | None:
        """The first SPS, read; None when the parameter sets are only in-band."""
        return read_sps(self.sps[0]) if self.sps else None


def read_configuration(data: bytes) -> AvcConfiguration:
    """Read an avcC; `Malformed` when it is cut or of another version. What follows the PPSs is not needed by anyone."""
    cursor = Cursor(data, "avcC")
    if (version := cursor.u8()) != 1:
        raise Malformed(f"avcC version {version}, 1 is the only one")
    profile, compatibility, level = cursor.take(3)
    length_size = (cursor.u8() & 3) + 1
    if length_size == 3:
        raise Malformed("avcC: NAL unit lengths of 3 bytes are reserved")
    sps = tuple(cursor.take(cursor.u16()) for _ in range(cursor.u8() & 0x1F))
    pps = tuple(cursor.take(cursor.u16()) for _ in range(cursor.u8()))
    return AvcConfiguration(profile, compatibility, level, sps, pps, length_size)


def write_configuration(sps: Iterable[bytes], pps: Iterable[bytes]) -> bytes:
    """The avcC for these parameter sets (at least one SPS), with NAL unit lengths of 4 bytes."""
    all_sps, all_pps = tuple(sps), tuple(pps)
    first = all_sps[0] if all_sps else b""
    if len(first) < 4 or len(all_sps) > 31 or len(all_pps) > 255:
        raise Malformed(f"no avcC holds {len(all_sps)} SPSs (the first of {len(first)} bytes) and {len(all_pps)} PPSs")
    if any(len(unit) > 0xFFFF for unit in (*all_sps, *all_pps)):
        raise Malformed("a parameter set is longer than 65535 bytes")
    head = bytes((1, *first[1:4], 0xFF, 0xE0 | len(all_sps)))
    record = head + nal.join(all_sps, 2) + bytes((len(all_pps),)) + nal.join(all_pps, 2)
    if first[1] not in HIGH_PROFILES:
        return record
    described = read_sps(first)
    tail = (0xFC | described.chroma_format, 0xF8 | described.bit_depth - 8, 0xF8 | described.bit_depth_chroma - 8, 0)
    return record + bytes(tail)


def configuration_in(payload: bytes) -> bytes:
    """The avcC of the parameter sets inside an access unit (4-byte lengths); empty when it has no SPS and PPS."""
    sps, pps = parameter_sets(nal.split(payload))
    return write_configuration(sps, pps) if sps and pps else b""


def parameter_sets(units: Iterable[bytes]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The different SPSs and PPSs among these NAL units."""
    found: dict[int, dict[bytes, None]] = {SPS: {}, PPS: {}}
    for unit in units:
        if (number := unit[0] & 0x1F) in found:
            found[number][unit] = None
    return tuple(found[SPS]), tuple(found[PPS])


def is_keyframe(payload: bytes) -> bool:
    """Whether decoding can start at this access unit (4-byte lengths).

    True for an IDR picture, and for an exact recovery point (SEI, recovery_frame_cnt 0: ITU-T H.264 §D.2.8), which is how
    open-GOP and broadcast encoders mark where to start: some never send an IDR after the first.
    """
    return opens(nal.split(payload))


def opens(units: Iterable[bytes]) -> bool:
    """`is_keyframe` of an access unit's NAL units."""
    for unit in units:
        kind = unit[0] & 0x1F
        if kind == IDR:
            return True
        if kind == SLICE:
            return False
        if kind == SEI and _is_recovery_point(unit):
            return True
    return False


def _is_recovery_point(unit: bytes) -> bool:
    cursor = Cursor(unescape(unit)[1:], "SEI")
    for _ in range(limits.SEI_MESSAGES):
        if cursor.remaining < 3:  # a message is at least type, size and the trailing bits
            break
        kind, size = _sei_number(cursor), _sei_number(cursor)
        message = cursor.take(min(size, cursor.remaining))
        if kind == _RECOVERY_POINT:
            return BitReader(message, "recovery point").ue() == 0
    return False


def _sei_number(cursor: Cursor) -> int:
    total = 0
    while cursor.remaining:
        byte = cursor.u8()
        total += byte
        if byte != 0xFF:
            break
    return total
