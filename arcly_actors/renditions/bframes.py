"""B-frames: whether a track has any, and whether leaving out the disposable ones puts the rest in order. Pure.

WebRTC receivers show pictures as they are decoded, so a picture that is sent ahead of its turn (as B-frames need it) is
seen as a stutter. What is known grows while pictures are looked at, and only in one direction::

    NEVER     the SPS rules reordering out: nothing is ever looked at
    UNSEEN    no B-frame so far
    PLAIN     B-frames, all of them disposable: without them decoding order is the order of presentation
    PYRAMID   some picture that others need is out of order: leaving out is no cure
"""

from enum import IntEnum

from arcly_actors.errors import Malformed
from arcly_actors.media import avc
from arcly_actors.media.avc_slice import Picture, read_picture
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track


class Order(IntEnum):
    """See the module; a larger value is worse."""

    NEVER = 0
    UNSEEN = 1
    PLAIN = 2
    PYRAMID = 3


class PictureOrder:
    """Watches one H.264 track under one configuration; one slice header is read per picture, none where `NEVER`."""

    __slots__ = ("_newest", "_timed", "order")

    def __init__(self, track: Track) -> None:
        self.order = _declared(track)
        self._newest: int | None = None
        self._timed = False

    def disposable(self, frame: MediaFrame) -> bool:
        """Look at the next picture in decoding order: whether it is a B-frame that no other picture needs."""
        if self.order is Order.NEVER:
            return False
        try:
            picture = read_picture(frame.payload)
        except Malformed:
            return False  # the decoder's to conceal
        self._timed = self._timed or frame.pts != frame.dts
        if picture is Picture.B_DISPOSABLE:
            self.order = max(self.order, Order.PLAIN)
            return True
        late = self._newest is not None and frame.pts < self._newest and not frame.discontinuity
        # A source without presentation times leaves only the picture's kind to go by.
        if late or (picture is Picture.B_REFERENCE and not self._timed):
            self.order = Order.PYRAMID
        self._newest = frame.pts
        return False

    def rewind(self) -> None:
        """The pictures that were looked at come once more: keep what was learnt, forget the place."""
        self._newest = None


def in_order(frame: MediaFrame) -> MediaFrame:
    """A picture that is left after dropping, to be decoded when it is shown: its PTS is its DTS, too.

    Presentation times are the encoder's own, so pictures that were evenly placed are, and keep time with the sound.
    """
    if frame.pts == frame.dts:
        return frame
    return frame.at(pts=frame.pts, dts=frame.pts, discontinuity=frame.discontinuity)


def _declared(track: Track) -> Order:
    if track.codec is not CodecId.H264:
        return Order.NEVER
    if not track.configuration:
        return Order.UNSEEN
    try:
        sps = avc.read_configuration(track.configuration).described()
    except Malformed:
        return Order.UNSEEN
    return Order.NEVER if sps is not None and sps.reorder_depth == 0 else Order.UNSEEN
