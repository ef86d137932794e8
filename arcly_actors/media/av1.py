"""AV1: OBUs (AV1 §5.3), av1C (AV1-ISOBMFF §2.3), keyframes. The sequence header itself is read in `av1_sequence`."""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.av1_sequence import Sequence, read_sequence
from arcly_actors.media.cursor import Cursor

SEQUENCE_HEADER, TEMPORAL_DELIMITER, FRAME_HEADER, FRAME = 1, 2, 3, 6


@dataclass(frozen=True, slots=True)
class Obu:
    """One OBU: its type, its payload, and `raw`, the whole of it with header and size field as it stood."""

    type: int
    payload: bytes
    raw: bytes


def split(data: bytes) -> list[Obu]:
    """The OBUs of the low-overhead format; one without a size field reaches to the end.

    `Malformed` when one is cut, `PeerLimit` beyond `limits.OBUS`.
    """
    cursor = Cursor(data, "OBU")
    obus: list[Obu] = []
    while cursor.remaining:
        if len(obus) == limits.OBUS:
            raise PeerLimit(f"more than {limits.OBUS} OBUs in one temporal unit")
        start, header = cursor.position, cursor.u8()
        if header & 0x80:
            raise Malformed("OBU with the forbidden bit set")
        if header & 4:
            cursor.skip(1)  # extension: temporal and spatial id
        payload = cursor.take(read_leb128(cursor)) if header & 2 else cursor.rest()
        obus.append(Obu(header >> 3 & 15, payload, data[start : cursor.position]))
    return obus


def without_delimiters(data: bytes) -> bytes:
    """A temporal unit as a frame's payload: without temporal delimiters (AV1-ISOBMFF §2.4), which only ever come first.

    The same object when there is none.
    """
    if not data or data[0] >> 3 & 15 != TEMPORAL_DELIMITER:
        return data
    return b"".join(obu.raw for obu in split(data) if obu.type != TEMPORAL_DELIMITER)


def read_configuration(data: bytes) -> Sequence | None:
    """The sequence header inside an av1C; None when it has none. `Malformed` when it is cut or of another version."""
    cursor = Cursor(data, "av1C")
    if (first := cursor.u8()) != 0x81:
        raise Malformed(f"av1C starts with 0x{first:02x}, 0x81 is the only version")
    cursor.skip(3)
    return _sequence(split(cursor.rest()))


def write_configuration(sequence_obu: bytes) -> bytes:
    """The av1C for a sequence header OBU (with its header and size field)."""
    sequence = _sequence(split(sequence_obu))
    if sequence is None:
        raise Malformed("no av1C without a sequence header")
    flags = sequence.tier << 7 | (sequence.bit_depth > 8) << 6 | (sequence.bit_depth == 12) << 5
    flags |= sequence.monochrome << 4 | sequence.subsampling << 2 | sequence.chroma_position
    return bytes((0x81, sequence.profile << 5 | sequence.level, flags, 0)) + sequence_obu


def codec_string(configuration: bytes) -> str:
    """The AV1-ISOBMFF §5 name of an av1C, as ``av01.0.04M.08``."""
    cursor = Cursor(configuration, "av1C")
    cursor.skip(1)
    profile_level, flags = cursor.u8(), cursor.u8()
    depth = 12 if flags & 0x20 else 10 if flags & 0x40 else 8
    tier = "H" if flags & 0x80 else "M"
    return f"av01.{profile_level >> 5}.{profile_level & 0x1F:02}{tier}.{depth:02}"


def configuration_in(payload: bytes) -> bytes:
    """The av1C of the sequence header inside a temporal unit; empty when it has none."""
    found = next((obu for obu in split(payload) if obu.type == SEQUENCE_HEADER), None)
    return write_configuration(found.raw) if found else b""


def is_keyframe(payload: bytes) -> bool:
    """Whether the temporal unit has a sequence header and its first frame is a shown key frame (AV1-ISOBMFF §2.4)."""
    sequence: Sequence | None = None
    for obu in split(payload):
        if obu.type == SEQUENCE_HEADER:
            sequence = read_sequence(obu.payload)
        elif obu.type in {FRAME_HEADER, FRAME}:
            if sequence is None or not obu.payload:
                return False
            # show_existing_frame 0, frame_type 0 (key), show_frame 1; a reduced still picture has none of the bits.
            return sequence.reduced or obu.payload[0] >> 4 == 0b0001
    return False


def _sequence(obus: list[Obu]) -> Sequence | None:
    return next((read_sequence(obu.payload) for obu in obus if obu.type == SEQUENCE_HEADER), None)


def read_leb128(cursor: Cursor) -> int:
    """An unsigned integer of leb128() (AV1 §4.10.5); `Malformed` beyond 8 bytes."""
    value = 0
    for index in range(8):
        byte = cursor.u8()
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value
    raise Malformed("OBU size longer than 8 bytes")
