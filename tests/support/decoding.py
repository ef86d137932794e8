"""Frames of the bus decoded by FFmpeg, and whether they show what was sent."""

from collections.abc import Sequence

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame
from tests.support.bars import rgb, shows_bars
from tests.support.live import Live

_DECODERS = {CodecId.H264: "h264", CodecId.VP8: "vp8"}


def decode_bars(frames: Sequence[MediaFrame]) -> tuple[int, int]:
    """How many pictures FFmpeg makes of these frames of one track, and how many of those show the bars."""
    pictures = decode(frames)
    return len(pictures), sum(shows_bars(picture) for picture in pictures)


def decode(frames: Sequence[MediaFrame]) -> list[NDArray[np.uint8]]:
    """The RGB pictures that FFmpeg makes of these frames of one track; it raises on what it cannot decode."""
    track = frames[0].track
    decoder = av.CodecContext.create(_DECODERS[track.codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    if track.configuration:
        decoder.extradata = track.configuration  # avcC: so the payload is read as length-prefixed
    pictures = [picture for frame in frames for picture in decoder.decode(av.Packet(frame.payload))]
    pictures += decoder.decode(None)
    return [rgb(picture) for picture in pictures]


async def first_frames(server: Live, pictures: int) -> list[MediaFrame]:
    """What is published at live/cam, from the cached keyframe to so many pictures later."""
    found: list[MediaFrame] = []
    stream = await server.engine.stream("live/cam")
    async for frame in stream.frames():
        found.append(frame)
        if sum(each.track.kind is Kind.VIDEO for each in found) == pictures:
            break
    return found
