"""The floor's packets: the clip as the server's own packetisers cut it, grouped as one segmented send may carry it.

The file (`native/whep_floor.c` reads it): "AWHP", then per frame {u32 due ms, u32 the stamp's place in the frame's
packets or 0, u8 is video, u8 is keyframe, u16 groups}, then per group {u32 bytes, u16 packets, u16 bytes of each but the
last} and the plain packets one behind another. Sequence numbers and timestamps are left 0 for the floor to fill in.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.payload.audio import OpusPacketiser
from arcly_actors.protocols.rtp.payload.h264 import H264Packetiser
from arcly_actors.protocols.rtp.payload.unit import Packetiser
from arcly_actors.transport.srtp_batch import grouped
from bench.clip import AUDIO, VIDEO, ClipMessage, cached, load
from bench.opus_clip import CODED
from bench.stamp import NAME, TAG_HEADER
from bench.whep.sdp import H264, OPUS

TAG = 16
SSRCS = {AUDIO: 0xA0D10001, VIDEO: 0x71DE0001}
_FRAME, _GROUP = struct.Struct("<IIBBH"), struct.Struct("<IHH")


def cached_packets(clip: Path) -> Path:
    """The file for this clip, made when it is not there yet."""
    return cached(f"{clip.stem}.packets", lambda: dump(load(clip)))


def dump(clip: list[ClipMessage]) -> bytes:
    """The clip's frames in the file's form."""
    return b"AWHP" + b"".join(_frames(clip))


def _frames(clip: list[ClipMessage]) -> Iterator[bytes]:
    configuration = next(m.payload[TAG_HEADER:] for m in clip if not m.frame and m.type == VIDEO)
    tracks = {VIDEO: Track(0, CodecId.H264, configuration), AUDIO: Track(1, CodecId.OPUS)}
    packetisers: dict[int, Packetiser] = {VIDEO: H264Packetiser(), AUDIO: OpusPacketiser()}
    streams = {VIDEO: OutgoingStream(SSRCS[VIDEO], H264[-1], 0), AUDIO: OutgoingStream(SSRCS[AUDIO], OPUS, 0)}
    for message in clip:
        if not message.frame:
            continue
        keyframe = message.type == AUDIO or message.payload[0] >> 4 == 1
        payload = message.payload[TAG_HEADER if message.type == VIDEO else len(CODED) :]
        frame = MediaFrame(tracks[message.type], 0, 0, payload, keyframe)
        packets = streams[message.type].build(packetisers[message.type].packetise(frame), 0)
        yield _record(message, keyframe, grouped(packets, TAG))


def _record(message: ClipMessage, keyframe: bool, groups: list[list[bytes]]) -> bytes:
    place = b"".join(packet for group in groups for packet in group).find(NAME)
    stamp_at = place + len(NAME) if place >= 0 else 0
    head = _FRAME.pack(message.dts_ms, stamp_at, message.type == VIDEO, keyframe, len(groups))
    packed = (b"".join(group) for group in groups)
    return head + b"".join(
        _GROUP.pack(len(data), len(group), len(group[0])) + data for data, group in zip(packed, groups, strict=True)
    )
