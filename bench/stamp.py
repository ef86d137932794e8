"""The stamp in every video frame: its index and when it was sent, so that another process can tell loss and lateness.

It is an H.264 SEI NAL unit (user data unregistered, ISO/IEC 14496-10 D.1.7) put first in the frame, always of one size
and at one place; its digits are hexadecimal text, which never makes a start code. `native/clip.h` knows the same places.
"""

NAME = b"arcly-bench-sei!"
"""What marks the stamp: the UUID of the SEI; the digits follow it."""
_INDEX_DIGITS, _TIME_DIGITS = 8, 16
_DIGITS = _INDEX_DIGITS + _TIME_DIGITS
_NAL = b"\x06\x05" + bytes([len(NAME) + _DIGITS]) + NAME + b"0" * _DIGITS + b"\x80"

TAG_HEADER = 5
"""Bytes of an FLV video tag in front of the first NAL unit: codec, packet type, composition time."""
STAMP_AT = TAG_HEADER + 4 + 3 + len(NAME)
STAMP_END = STAMP_AT + _DIGITS


def make_room(tag: bytes) -> bytes:
    """The video tag with an empty stamp put in front of its first NAL unit."""
    return tag[:TAG_HEADER] + len(_NAL).to_bytes(4, "big") + _NAL + tag[TAG_HEADER:]


def write_over(tag: bytes) -> bytes:
    """The video tag without SEI, and an empty stamp written over the data of its slice, at the same place of the tag.

    For servers that send NAL units apart: no unit is added, so packets stay as an encoder's frame gives them. Nothing
    can decode the picture any more.
    """
    units, at = [], TAG_HEADER
    while at < len(tag):
        size = int.from_bytes(tag[at : at + 4], "big")
        units.append(tag[at : at + 4 + size])
        at += 4 + size
    slices = [unit for unit in units if unit[4] & 31 != 6]
    if len(slices[0]) < STAMP_END - TAG_HEADER:
        raise ValueError(f"a slice of {len(slices[0])} bytes has no room for a stamp")
    bare = tag[:TAG_HEADER] + b"".join(slices)
    return bare[: STAMP_AT - len(NAME)] + NAME + b"0" * _DIGITS + bare[STAMP_END:]


def stamp(index: int, sent_ns: int) -> bytes:
    """What goes to `STAMP_AT`: a frame's index (counted on through the loops) and its monotonic send time in ns."""
    return b"%08x%016x" % (index, sent_ns)


def read_stamp(tag: bytes) -> tuple[int, int] | None:
    """The index and send time in a stamped video tag; None when there is none."""
    if len(tag) < STAMP_END or tag[STAMP_AT - len(NAME) : STAMP_AT] != NAME:
        return None
    try:
        return int(tag[STAMP_AT : STAMP_AT + _INDEX_DIGITS], 16), int(tag[STAMP_AT + _INDEX_DIGITS : STAMP_END], 16)
    except ValueError:
        return None
