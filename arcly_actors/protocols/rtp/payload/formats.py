"""The table of payload formats: what SDP calls each, its clock, and how to make the two directions of it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.rtp.payload.aac import AacForm, AacPacketiser, AacReading
from arcly_actors.protocols.rtp.payload.audio import (
    AudioDepacketiser,
    OpusPacketiser,
    SamplePacketiser,
    read_opus,
    read_samples,
)
from arcly_actors.protocols.rtp.payload.av1 import Av1Assembly, Av1Packetiser
from arcly_actors.protocols.rtp.payload.h264 import H264Assembly, H264Packetiser
from arcly_actors.protocols.rtp.payload.h265 import H265Assembly, H265Packetiser
from arcly_actors.protocols.rtp.payload.mp3 import Mp3Packetiser, Mp3Reading
from arcly_actors.protocols.rtp.payload.unit import Depacketiser, Packetiser
from arcly_actors.protocols.rtp.payload.video import VideoDepacketiser
from arcly_actors.protocols.rtp.payload.vp8 import Vp8Assembly, Vp8Packetiser
from arcly_actors.protocols.rtp.payload.vp9 import Vp9Assembly, Vp9Packetiser


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One format. `name` is its encoding name in ``a=rtpmap``, `rate` its clock in ticks per second (0: the sampling
    rate of the track), `static` the payload type that RFC 3551 §6 gives it, None where it has none."""

    name: str
    rate: int
    packetiser: Callable[[], Packetiser]
    depacketiser: Callable[[], Depacketiser]
    static: int | None = None


def aac_depacketiser(form: AacForm | None = None) -> AudioDepacketiser:
    """The depacketiser of AAC with the parameters of its fmtp; without them those of AAC-hbr."""
    reading = AacReading(form or AacForm())
    return AudioDepacketiser(reading.read, reading.clear)


def _mp3() -> AudioDepacketiser:
    reading = Mp3Reading()
    return AudioDepacketiser(reading.read, reading.clear)


def _samples() -> AudioDepacketiser:
    return AudioDepacketiser(read_samples)


FORMATS: MappingProxyType[CodecId, PayloadFormat] = MappingProxyType(
    {
        CodecId.H264: PayloadFormat("H264", 90000, H264Packetiser, lambda: VideoDepacketiser(H264Assembly())),
        CodecId.H265: PayloadFormat("H265", 90000, H265Packetiser, lambda: VideoDepacketiser(H265Assembly())),
        CodecId.VP8: PayloadFormat("VP8", 90000, Vp8Packetiser, lambda: VideoDepacketiser(Vp8Assembly())),
        CodecId.VP9: PayloadFormat("VP9", 90000, Vp9Packetiser, lambda: VideoDepacketiser(Vp9Assembly())),
        CodecId.AV1: PayloadFormat("AV1", 90000, Av1Packetiser, lambda: VideoDepacketiser(Av1Assembly())),
        CodecId.OPUS: PayloadFormat("opus", 48000, OpusPacketiser, lambda: AudioDepacketiser(read_opus)),
        CodecId.AAC: PayloadFormat("mpeg4-generic", 0, AacPacketiser, aac_depacketiser),
        CodecId.PCMU: PayloadFormat("PCMU", 8000, SamplePacketiser, _samples, 0),
        CodecId.PCMA: PayloadFormat("PCMA", 8000, SamplePacketiser, _samples, 8),
        # G.722 samples at 16 kHz; its clock is 8 kHz by an error that became the rule (RFC 3551 §4.5.2).
        CodecId.G722: PayloadFormat("G722", 8000, SamplePacketiser, _samples, 9),
        CodecId.MP3: PayloadFormat("MPA", 90000, Mp3Packetiser, _mp3, 14),
    }
)
