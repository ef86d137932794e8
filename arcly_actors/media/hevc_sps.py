"""The H.265 sequence parameter set (ITU-T H.265 §7.3.2.2), up to the reordering: what a picture is like."""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader, unescape


@dataclass(frozen=True, slots=True)
class Sps:
    """The fields of an SPS that anyone here uses; sizes are pixels after the conformance window.

    `general` is the first 12 bytes of profile_tier_level as they stand, `nested` the temporal id nesting flag,
    `reorder_depth` how many pictures may be decoded before one that is shown earlier.
    """

    general: bytes
    sub_layers: int
    nested: bool
    width: int
    height: int
    chroma_format: int
    bit_depth: int
    bit_depth_chroma: int
    reorder_depth: int | None = None


def read_sps(unit: bytes) -> Sps:
    """Read an SPS NAL unit; `Malformed` when it is cut or impossible."""
    if len(unit) < 2 or unit[0] >> 1 & 0x3F != 33:
        raise Malformed("not an H.265 SPS")
    reader = BitReader(unescape(unit)[2:], "SPS")
    reader.skip(4)  # sps_video_parameter_set_id
    sub_layers, nested = reader.bits(3) + 1, reader.flag()
    general = bytes(reader.bits(8) for _ in range(12))
    _skip_sub_layers(reader, sub_layers - 1)
    reader.ue()  # sps_seq_parameter_set_id
    chroma = reader.ue()
    if chroma > 3:
        raise Malformed(f"SPS: chroma_format_idc {chroma}")
    separate = chroma == 3 and reader.flag()
    width, height = reader.ue(), reader.ue()
    if reader.flag():  # conformance_window_flag
        left, right, top, bottom = (reader.ue() for _ in range(4))
        width -= (left + right) * (2 if chroma in {1, 2} else 1)
        height -= (top + bottom) * (2 if chroma == 1 and not separate else 1)
    if not (0 < width <= limits.PICTURE_SIDE and 0 < height <= limits.PICTURE_SIDE):
        raise Malformed(f"SPS: a picture of {width} by {height}")
    luma_depth, chroma_depth = 8 + reader.ue(), 8 + reader.ue()
    if max(luma_depth, chroma_depth) > 15:
        raise Malformed(f"SPS: bit depths {luma_depth} and {chroma_depth}, 15 is the most")
    depth = _reorder_depth(reader, sub_layers)
    return Sps(general, sub_layers, nested, width, height, chroma, luma_depth, chroma_depth, depth)


def _reorder_depth(reader: BitReader, sub_layers: int) -> int | None:
    """sps_max_num_reorder_pics of the highest sub-layer; None when the SPS ends before it."""
    try:
        reader.ue()  # log2_max_pic_order_cnt_lsb_minus4
        count = sub_layers if reader.flag() else 1
        told = [(reader.ue(), reader.ue(), reader.ue()) for _ in range(count)]
    except Malformed:
        return None
    return told[-1][1]


def _skip_sub_layers(reader: BitReader, count: int) -> None:
    present = [(reader.flag(), reader.flag()) for _ in range(count)]
    if count:
        reader.skip(2 * (8 - count))
    for profile, level in present:
        reader.skip(88 * profile + 8 * level)
