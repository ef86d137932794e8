"""The clip as the server's own packetisers cut it: what the floor sends, and what tests of the load clients send.

The file (`native/rtsp_floor.c` reads it): "ARSP", then u32 length and the session description that ends with a 0, then
per frame {u32 due ms, u32 the stamp's place in the bytes or 0, u32 length, u8 is video, u8 is keyframe, u16 0} and its
packets as interleaved frames. Sequence numbers and timestamps are left for the floor to fill in.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import evolve
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtsp.description import write
from bench.clip import AUDIO, VIDEO, ClipMessage, cached, load
from bench.stamp import NAME, TAG_HEADER

HEADER = {AUDIO: 2, VIDEO: TAG_HEADER}
"""Bytes of an FLV tag in front of the media."""
CHANNELS = {AUDIO: 0, VIDEO: 2}
_FRAME = struct.Struct("<IIIBBH")


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame of the clip and its packets."""

    message: ClipMessage
    packets: list[bytes]

    @property
    def keyframe(self) -> bool:
        """Whether it is a picture at which a viewer can start."""
        return self.message.type == VIDEO and self.message.payload[0] >> 4 == 1


def tracks_of(clip: list[ClipMessage]) -> dict[int, Track]:
    """The two tracks, by the type of their messages."""
    configuration = {m.type: m.payload[HEADER[m.type] :] for m in clip if not m.frame and m.type in HEADER}
    return {
        VIDEO: evolve(Track(0, CodecId.H264), configuration[VIDEO]),
        AUDIO: evolve(Track(1, CodecId.AAC), configuration[AUDIO]),
    }


def packed(clip: list[ClipMessage]) -> Iterator[Packed]:
    """The frames in order; numbers begin at 0, the timestamps are those of the clip."""
    tracks = tracks_of(clip)
    _, described = write(tuple(tracks.values()), "")
    media = dict(zip(tracks, described.media, strict=True))
    streams = {kind: OutgoingStream(0xA0D10000 + kind, medium.payload_type, 0) for kind, medium in media.items()}
    packetisers = {kind: FORMATS[track.codec].packetiser() for kind, track in tracks.items()}
    for message in clip:
        if not message.frame:
            continue
        kind = message.type
        keyframe = kind == AUDIO or message.payload[0] >> 4 == 1
        frame = MediaFrame(tracks[kind], 0, 0, message.payload[HEADER[kind] :], keyframe)
        ticks = message.dts_ms * media[kind].rate // 1000
        yield Packed(message, streams[kind].build(packetisers[kind].packetise(frame), ticks))


def interleaved(kind: int, packet: bytes) -> bytes:
    """The packet as a frame within the connection (RFC 2326 §10.12)."""
    return b"".join((b"$", CHANNELS[kind].to_bytes(1), len(packet).to_bytes(2), packet))


def description(clip: list[ClipMessage]) -> bytes:
    """The session description of the clip."""
    return write(tuple(tracks_of(clip).values()), "")[0]


def cached_packets(clip: Path) -> Path:
    """The file for this clip, made when it is not there yet."""
    return cached(f"{clip.stem}.rtsp", lambda: dump(load(clip)))


def dump(clip: list[ClipMessage]) -> bytes:
    """The clip in the file's form."""
    told = description(clip) + b"\0"
    return b"".join([b"ARSP", len(told).to_bytes(4, "little"), told, *map(_record, packed(clip))])


def _record(frame: Packed) -> bytes:
    data = b"".join(interleaved(frame.message.type, packet) for packet in frame.packets)
    place = data.find(NAME)
    stamp_at = place + len(NAME) if place >= 0 else 0
    is_video = frame.message.type == VIDEO
    return _FRAME.pack(frame.message.dts_ms, stamp_at, len(data), is_video, frame.keyframe, 0) + data
