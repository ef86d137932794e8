"""The H.264 sequence parameter set (ITU-T H.264 §7.3.2.1.1 and annex E): what a picture is like."""

from contextlib import suppress
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader, unescape

# The profiles whose SPS carries chroma format and bit depths (§7.3.2.1.1).
HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EXTENDED_SAR = 255
_BASELINE = 66  # has no B slices (§A.2.1), and so nothing to reorder
_OUTPUT_ORDER = 2  # pic_order_cnt_type: output order is decoding order (§8.2.1.3)


@dataclass(frozen=True, slots=True)
class Sps:
    """The fields of an SPS that anyone here uses; sizes are pixels after cropping, `frame_rate` 0 when not told.

    `reorder_depth` is the most pictures that precede one in decoding and follow it in output (max_num_reorder_frames,
    §E.2.1): 0 means that there are no reordered pictures, None that the SPS does not say.
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
    reorder_depth: int | None = None


def read_sps(unit: bytes) -> Sps:
    """Read an SPS NAL unit; `Malformed` when it is cut or impossible.

    A VUI that ends early costs only what it would have told: encoders that truncate it are in use, their pictures decode.
    """
    if len(unit) < 4 or unit[0] & 0x1F != 7:
        raise Malformed("not an H.264 SPS")
    reader = BitReader(unescape(unit)[1:], "SPS")
    profile, compatibility, level = reader.bits(8), reader.bits(8), reader.bits(8)
    reader.ue()  # seq_parameter_set_id
    chroma, separate, luma_depth, chroma_depth = 1, False, 8, 8
    if profile in HIGH_PROFILES:
        chroma, separate, luma_depth, chroma_depth = _chroma(reader)
    order_type = _picture_order(reader)
    reader.ue()  # max_num_ref_frames
    reader.skip(1)  # gaps_in_frame_num_value_allowed_flag
    width, height = _size(reader, 0 if separate else chroma)
    vui = _Vui()
    with suppress(Malformed):
        _read_vui(reader, vui)
    in_order = order_type == _OUTPUT_ORDER or profile == _BASELINE
    depth = 0 if in_order else vui.reorder_depth
    return Sps(profile, compatibility, level, width, height, vui.frame_rate, chroma, luma_depth, chroma_depth, depth)


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


def _picture_order(reader: BitReader) -> int:
    """Pass over the picture order count's fields; its type, of which 2 means that output order is decoding order."""
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
    return kind


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


@dataclass(slots=True)
class _Vui:
    """What the video usability information tells, as far as it could be read."""

    frame_rate: float = 0.0
    reorder_depth: int | None = None


def _read_vui(reader: BitReader, vui: _Vui) -> None:
    """VUI parameters (§E.1.1); `Malformed` where they end early."""
    if not reader.flag():  # vui_parameters_present_flag
        return
    _skip_looks(reader)
    if reader.flag():  # timing_info_present_flag
        units, scale = reader.bits(32), reader.bits(32)
        vui.frame_rate = scale / (2 * units) if units else 0.0
        reader.skip(1)  # fixed_frame_rate_flag
    modelled = False
    for _ in range(2):  # the NAL reference decoder, then the VCL one
        if reader.flag():
            modelled = True
            _skip_hrd(reader)
    if modelled:
        reader.skip(1)  # low_delay_hrd_flag
    reader.skip(1)  # pic_struct_present_flag
    if reader.flag():  # bitstream_restriction_flag
        reader.skip(1)  # motion_vectors_over_pic_boundaries_flag
        for _ in range(4):  # largest picture, largest macroblock, and the two lengths of motion vectors
            reader.ue()
        vui.reorder_depth = reader.ue()


def _skip_looks(reader: BitReader) -> None:
    """What is said about the shape of pixels and about colours."""
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


def _skip_hrd(reader: BitReader) -> None:
    """hrd_parameters (§E.1.2)."""
    schedules = reader.ue() + 1
    if schedules > 32:
        raise Malformed(f"SPS: {schedules} schedules of a reference decoder, 32 is the most")
    reader.skip(8)  # bit_rate_scale, cpb_size_scale
    for _ in range(schedules):
        reader.ue()
        reader.ue()
        reader.skip(1)
    reader.skip(20)  # lengths of delays and of the time offset
