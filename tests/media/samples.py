"""The recorded samples, as FFmpeg (through PyAV) reads them: the reference that our readers are held against."""

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import av

from arcly_actors.media.codec import CodecId
from arcly_actors.media.flv import FlvReader, Tag

DATA = Path(__file__).parent.parent / "data" / "media"
FLV = sorted(path.name for path in DATA.glob("*.flv"))
CONTAINERS = sorted(path.name for path in DATA.iterdir() if path.suffix in {".flv", ".mp4", ".webm"})


@dataclass(frozen=True)
class Packet:
    """One packet of a reference stream; times are milliseconds."""

    payload: bytes
    keyframe: bool
    pts_ms: int
    dts_ms: int


@dataclass(frozen=True)
class Reference:
    """One stream of a sample, as FFmpeg tells it."""

    codec: CodecId
    configuration: bytes
    width: int
    height: int
    frame_rate: float
    sample_rate: int
    channels: int
    packets: tuple[Packet, ...]


@cache
def references(name: str) -> tuple[Reference, ...]:
    """The video and audio streams of a sample."""
    return tuple(read(str(DATA / name)))


def read(source: str | BytesIO) -> list[Reference]:
    """The streams of a file path or file object."""
    with av.open(source, "r") as container:
        packets: dict[int, list[Packet]] = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                assert packet.pts is not None
                assert packet.dts is not None
                unit = packet.time_base * 1000
                times = round(packet.pts * unit), round(packet.dts * unit)
                packets[packet.stream_index].append(Packet(bytes(packet), packet.is_keyframe, *times))
        found = []
        for video in container.streams.video:
            size = video.codec_context.width, video.codec_context.height
            rate = float(video.guessed_rate or 0)
            found.append(_reference(video, *size, rate, 0, 0, packets[video.index]))
        for audio in container.streams.audio:
            shape = audio.codec_context.sample_rate, audio.codec_context.channels
            found.append(_reference(audio, 0, 0, 0.0, *shape, packets[audio.index]))
        return found


def _reference(
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
    width: int,
    height: int,
    frame_rate: float,
    sample_rate: int,
    channels: int,
    packets: list[Packet],
) -> Reference:
    codec = CodecId(stream.codec_context.codec.canonical_name)
    configuration = stream.codec_context.extradata or b""
    return Reference(codec, configuration, width, height, frame_rate, sample_rate, channels, tuple(packets))


def tags(name: str) -> list[Tag]:
    """The tags of an FLV sample."""
    return FlvReader().feed((DATA / name).read_bytes())
