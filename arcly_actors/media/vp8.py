"""VP8 frame headers (RFC 6386 §9.1)."""

from arcly_actors.errors import Malformed

_START_CODE = b"\x9d\x01\x2a"


def is_keyframe(payload: bytes) -> bool:
    """Whether the frame is a key frame; `Malformed` when it is empty."""
    if not payload:
        raise Malformed("empty VP8 frame")
    return not payload[0] & 1


def size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a key frame tells, None for another frame; `Malformed` when it is cut."""
    if not is_keyframe(payload):
        return None
    if len(payload) < 10 or payload[3:6] != _START_CODE:
        raise Malformed("VP8 key frame without its start code")
    width, height = (int.from_bytes(payload[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    if not width or not height:
        raise Malformed(f"VP8 picture of {width} by {height}")
    return width, height
