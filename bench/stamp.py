"""The stamp in every video frame: its index and when it was sent, so that another process can tell loss and lateness.

It is an H.264 SEI NAL unit (user data unregistered, ISO/IEC 14496-10 D.1.7) put first in the frame, always of one size
and at one place; its digits are hexadecimal text, which never makes a start code. `native/clip.h` knows the same places.
"""

_NAME = b"arcly-bench-sei!"
_INDEX_DIGITS, _TIME_DIGITS = 8, 16
_DIGITS = _INDEX_DIGITS + _TIME_DIGITS
_NAL = b"\x06\x05" + bytes([len(_NAME) + _DIGITS]) + _NAME + b"0" * _DIGITS + b"\x80"

TAG_HEADER = 5
"""Bytes of an FLV video tag in front of the first NAL unit: codec, packet type, composition time."""
STAMP_AT = TAG_HEADER + 4 + 3 + len(_NAME)
STAMP_END = STAMP_AT + _DIGITS


def make_room(tag: bytes) -> bytes:
    """The video tag with an empty stamp put in front of its first NAL unit."""
    return tag[:TAG_HEADER] + len(_NAL).to_bytes(4, "big") + _NAL + tag[TAG_HEADER:]


def stamp(index: int, sent_ns: int) -> bytes:
    """What goes to `STAMP_AT`: a frame's index (counted on through the loops) and its monotonic send time in ns."""
    return b"%08x%016x" % (index, sent_ns)


def read_stamp(tag: bytes) -> tuple[int, int] | None:
    """The index and send time in a stamped video tag; None when there is none."""
    if len(tag) <= STAMP_END or tag[STAMP_AT - len(_NAME) : STAMP_AT] != _NAME:
        return None
    try:
        return int(tag[STAMP_AT : STAMP_AT + _INDEX_DIGITS], 16), int(tag[STAMP_AT + _INDEX_DIGITS : STAMP_END], 16)
    except ValueError:
        return None
