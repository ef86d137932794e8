"""FFmpeg's decoders and encoders by name, as what they have to be."""

from typing import Literal, TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

C = TypeVar("C", AudioCodecContext, VideoCodecContext)


def made(kind: type[C], name: str, mode: Literal["r", "w"]) -> C:
    """A codec context that is not opened yet: "r" decodes, "w" encodes. TypeError when `name` is of another kind."""
    context = av.CodecContext.create(name, mode)
    if not isinstance(context, kind):
        what = "decoder" if mode == "r" else "encoder"
        raise TypeError(f"{name} is no {what} for a {kind.__name__} in this build of FFmpeg")
    return context
