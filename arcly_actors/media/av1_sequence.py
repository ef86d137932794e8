"""The AV1 sequence header OBU (AV1 §5.5): what a picture is like."""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader

_SRGB = (1, 13, 0)  # BT.709 primaries, sRGB transfer, identity matrix: implies 4:4:4


@dataclass(frozen=True, slots=True)
class Sequence:
    """The fields that anyone here uses. `level` and `tier` are of the first operating point; `subsampling` is the two
    bits x, y; `reduced` a still picture without frame types; `frame_rate` 0 when it is not told or varies."""

    profile: int
    level: int
    tier: int
    width: int
    height: int
    frame_rate: float
    reduced: bool
    bit_depth: int
    monochrome: bool
    subsampling: int
    chroma_position: int


def read_sequence(payload: bytes) -> Sequence:
    """Read the payload of a sequence header OBU; `Malformed` when it is cut."""
    reader = BitReader(payload, "AV1 sequence header")
    profile = reader.bits(3)
    if profile > 2:
        raise Malformed(f"AV1 profile {profile} is reserved")
    reader.skip(1)  # still_picture
    reduced = reader.flag()
    level, tier, frame_rate = (reader.bits(5), 0, 0.0) if reduced else _operating_points(reader)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    width, height = reader.bits(width_bits) + 1, reader.bits(height_bits) + 1
    _tools(reader, reduced=reduced)
    bit_depth, monochrome, subsampling, position = _colour(reader, profile)
    return Sequence(
        profile, level, tier, width, height, frame_rate, reduced, bit_depth, monochrome, subsampling, position
    )


def _operating_points(reader: BitReader) -> tuple[int, int, float]:
    frame_rate, delay_bits = 0.0, 0
    if reader.flag():  # timing_info_present_flag
        units, scale = reader.bits(32), reader.bits(32)
        if reader.flag() and units:  # equal_picture_interval
            frame_rate = scale / (units * (reader.ue() + 1))
        if reader.flag():  # decoder_model_info_present_flag
            delay_bits = reader.bits(5) + 1
            reader.skip(32 + 5 + 5)
    initial_delay = reader.flag()
    points: list[tuple[int, int]] = []
    for _ in range(reader.bits(5) + 1):
        reader.skip(12)  # operating_point_idc
        level = reader.bits(5)
        points.append((level, reader.bits(1) if level > 7 else 0))
        if delay_bits and reader.flag():
            reader.skip(2 * delay_bits + 1)
        if initial_delay and reader.flag():
            reader.skip(4)
    return *points[0], frame_rate


def _tools(reader: BitReader, *, reduced: bool) -> None:
    if not reduced and reader.flag():  # frame_id_numbers_present_flag
        reader.skip(7)
    reader.skip(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if not reduced:
        reader.skip(4)  # interintra, masked compound, warped motion, dual filter
        order_hint = reader.flag()
        if order_hint:
            reader.skip(2)
        screen_content = 2 if reader.flag() else reader.bits(1)
        if screen_content and not reader.flag():  # seq_choose_integer_mv
            reader.skip(1)
        if order_hint:
            reader.skip(3)
    reader.skip(3)  # superres, cdef, restoration


def _colour(reader: BitReader, profile: int) -> tuple[int, bool, int, int]:
    """color_config (§5.5.2): bit depth, monochrome, the subsampling bits and the chroma sample position."""
    high = reader.flag()
    twelve = profile == 2 and high and reader.flag()
    bit_depth = 12 if twelve else 10 if high else 8
    monochrome = profile != 1 and reader.flag()
    description = (reader.bits(8), reader.bits(8), reader.bits(8)) if reader.flag() else (2, 2, 2)
    if monochrome:
        reader.skip(1)
        return bit_depth, True, 0b11, 0
    if description == _SRGB:
        return bit_depth, False, 0b00, 0
    reader.skip(1)  # color_range
    if profile == 2 and bit_depth == 12:
        x = reader.bits(1)
        subsampling = x << 1 | (reader.bits(1) if x else 0)
    else:
        subsampling = (0b11, 0b00, 0b10)[profile]
    position = reader.bits(2) if subsampling == 0b11 else 0
    return bit_depth, False, subsampling, position
