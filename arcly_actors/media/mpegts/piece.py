"""What elementary streams come out as, whatever the codec."""

from typing import NamedTuple


class Piece(NamedTuple):
    """One access unit or audio frame as `media/frame.py` has it.

    Times are nanoseconds on the programme's line. `configuration` is the decoder configuration in force, empty where none
    is known or the codec has none. `broken`: the first of a new time base.
    """

    payload: bytes
    pts: int
    dts: int
    keyframe: bool = True
    configuration: bytes = b""
    broken: bool = False
