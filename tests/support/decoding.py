"""Frames of the bus decoded by FFmpeg, and whether they show what was sent."""

from collections.abc import Sequence

import av
from av.video.codeccontext import VideoCodecContext

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame
from tests.support.bars import rgb, shows_bars

_DECODERS = {CodecId.H264: "h264", CodecId.VP8: "vp8"}


def decode_bars(frames: Sequence[MediaFrame]) -> tuple[int, int]:
    """How many pictures FFmpeg makes of these frames of one track, and how many of those show the bars."""
    track = frames[0].track
    decoder = av.CodecContext.create(_DECODERS[track.codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    if track.configuration:
        decoder.extradata = track.configuration  # avcC: so the payload is read as length-prefixed
    pictures = [picture for frame in frames for picture in decoder.decode(av.Packet(frame.payload))]
    pictures += decoder.decode(None)
    return len(pictures), sum(shows_bars(rgb(picture)) for picture in pictures)
