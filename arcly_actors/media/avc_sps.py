"""The H.264 sequence parameter set (ITU-T H.264 §7.3.2.1.1 and annex E): what a picture is like."""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader, unescape

# The profiles whose SPS carries chroma format and bit depths (§7.3.2.1.1).
HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EXTENDED_SAR = 255
_BASELINE = 66


@dataclass(frozen=True, slots=True)
class Sps:
    """The fields of an SPS that anyone here uses; sizes are pixels after cropping, `frame_rate` 0 when not told.

    `reorder` is how many pictures may be decoded before one that is shown earlier; None when it is not told.
    """

    profile: int
    compatibility: int
    level: int
    width: int
    height: int
    frame_rate: float = 0.0
    chroma_format: int = 1
    bit_depth: int = 8
    bit_depth_chroma: int = 8
    reorder: int | None = None


def read_sps(unit: bytes) -> Sps:
    """Read an SPS NAL unit; `Malformed` when it is cut or impossible.

    A VUI that ends early costs only what it tells: encoders that truncate it are in use and their pictures decode.
    """
    if len(unit) < 4 or unit[0] & 0x1F != 7:
        raise Malformed("not an H.264 SPS")
    reader = BitReader(unescape(unit)[1:], "SPS")
    profile, compatibility, level = reader.bits(8), reader.bits(8), reader.bits(8)
    reader.ue()  # seq_parameter_set_id
    chroma, separate, luma_depth, chroma_depth = 1, False, 8, 8
    if profile in HIGH_PROFILES:
        chroma, separate, luma_depth, chroma_depth = _chroma(reader)
    in_order = _picture_order(reader) or profile == _BASELINE
    reader.ue()  # max_num_ref_frames
    reader.skip(1)  # gaps_in_frame_num_value_allowed_flag
    width, height = _size(reader, 0 if separate else chroma)
    rate, reorder = _vui(reader)
    if in_order:
        reorder = 0
    return Sps(profile, compatibility, level, width, height, rate, chroma, luma_depth, chroma_depth, reorder)


def _chroma(reader: BitReader) -> tuple[int, bool, int, int]:
    chroma = reader.ue()
    if chroma > 3:
        raise Malformed(f"SPS: chroma_format_idc {chroma}")
    separate = chroma == 3 and reader.flag()
    luma_depth, chroma_depth = 8 + reader.ue(), 8 + reader.ue()
    if max(luma_depth, chroma_depth) > 14:
        raise Malformed(f"SPS: bit depths {luma_depth} and {chroma_depth}, 14 is the most")
    reader.skip(1)  # qpprime_y_zero_transform_bypass_flag
    if reader.flag():
        for index in range(12 if chroma == 3 else 8):
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma, separate, luma_depth, chroma_depth


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _picture_order(reader: BitReader) -> bool:
    """Whether pictures are shown in the order of decoding for certain (pic_order_cnt_type 2)."""
    reader.ue()  # log2_max_frame_num_minus4
    kind = reader.ue()
    if kind == 0:
        reader.ue()
    elif kind == 1:
        reader.skip(1)
        reader.se()
        reader.se()
        cycle = reader.ue()
        if cycle > 255:
            raise Malformed(f"SPS: {cycle} reference frames in a picture order cycle, 255 is the most")
        for _ in range(cycle):
            reader.se()
    return kind == 2


def _size(reader: BitReader, chroma_array: int) -> tuple[int, int]:
    columns, rows = reader.ue() + 1, reader.ue() + 1
    frames_only = reader.flag()
    if not frames_only:
        reader.skip(1)  # mb_adaptive_frame_field_flag
    reader.skip(1)  # direct_8x8_inference_flag
    field = 1 if frames_only else 2
    width, height = columns * 16, rows * 16 * field
    if reader.flag():
        left, right, top, bottom = (reader.ue() for _ in range(4))
        unit_x = 2 if chroma_array in {1, 2} else 1
        unit_y = (2 if chroma_array == 1 else 1) * field
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    if not (0 < width <= limits.PICTURE_SIDE and 0 < height <= limits.PICTURE_SIDE):
        raise Malformed(f"SPS: a picture of {width} by {height}")
    return width, height


def _vui(reader: BitReader) -> tuple[float, int | None]:
    """The frame rate and the reordering that the VUI tells (annex E.1.1)."""
    rate = 0.0
    try:
        if not reader.flag():  # vui_parameters_present_flag
            return rate, None
        _skip_colours(reader)
        if reader.flag():  # timing_info_present_flag
            units, scale = reader.bits(32), reader.bits(32)
            rate = scale / (2 * units) if units else 0.0
            reader.skip(1)  # fixed_frame_rate_flag
        return rate, _restriction(reader)
    except Malformed:
        return rate, None


def _skip_colours(reader: BitReader) -> None:
    if reader.flag() and reader.bits(8) == _EXTENDED_SAR:
        reader.skip(32)
    if reader.flag():  # overscan_info_present_flag
        reader.skip(1)
    if reader.flag():  # video_signal_type_present_flag
        reader.skip(4)
        if reader.flag():
            reader.skip(24)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.ue()
        reader.ue()


def _restriction(reader: BitReader) -> int | None:
    """max_num_reorder_frames, behind the HRD parameters (E.1.2)."""
    hrd = False
    for _ in range(2):  # of NAL units, of slices
        if reader.flag():
            hrd = True
            count = reader.ue() + 1
            if count > 32:
                raise Malformed(f"SPS: {count} HRD buffers, 32 is the most")
            reader.skip(8)
            for _ in range(count):
                reader.ue()
                reader.ue()
                reader.skip(1)
            reader.skip(20)
    reader.skip(2 if hrd else 1)  # low_delay_hrd_flag, pic_struct_present_flag
    if not reader.flag():  # bitstream_restriction_flag
        return None
    reader.skip(1)
    for _ in range(4):
        reader.ue()
    return reader.ue()
