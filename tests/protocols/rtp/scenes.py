"""Frames of real encoders, and a network that loses, doubles and reorders packets by a seed."""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from arcly_actors.media import av1, nal, vp9
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import describe, is_keyframe
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import MILLISECOND, from_ns
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.unit import AccessUnit, Depacketiser, Packetiser
from tests.media import samples

SSRC = 0x1234ABCD


@cache
def frames(name: str, codec: CodecId) -> tuple[MediaFrame, ...]:
    """The frames of a recorded sample with what the bus would have as its track."""
    found = next(item for item in samples.references(name) if item.codec is codec)
    configuration = found.configuration
    if codec is CodecId.VP9:
        configuration = vp9.configuration_in(found.packets[0].payload)
    elif codec is CodecId.VP8:
        configuration = b""
    wide = nal.with_wide_lengths(codec, configuration)
    track = describe(Track(1, codec, wide))
    made = []
    for packet in found.packets:
        payload = nal.widen(packet.payload, nal.length_size(codec, configuration))
        payload = av1.without_delimiters(payload) if codec is CodecId.AV1 else payload
        times = packet.pts_ms * MILLISECOND, packet.dts_ms * MILLISECOND
        made.append(MediaFrame(track, *times, payload, is_keyframe(codec, payload)))
    return tuple(made)


def packets(
    packetiser: Packetiser, source: Iterable[MediaFrame], rate: int = 90000, *, sequence: int = 65530, ticks: int = 0
) -> list[RtpPacket]:
    """The packets of frames, as a receiver parses them; the sequence numbers wrap at once."""
    stream = OutgoingStream(SSRC, 96, sequence)
    made = []
    for frame in source:
        made += stream.build(packetiser.packetise(frame), ticks + from_ns(frame.pts, rate))
    return [rtp.parse(data) for data in made]


def received(depacketiser: Depacketiser, arriving: Iterable[RtpPacket]) -> list[AccessUnit]:
    """Every unit that comes out."""
    return [unit for packet in arriving for unit in depacketiser.push(packet)]


def lossy(seed: int, sent: Sequence[RtpPacket], loss: float) -> list[RtpPacket]:
    """The packets that survive, in order."""
    dice = random.Random(seed)
    return [packet for packet in sent if dice.random() >= loss]


def shuffled(seed: int, sent: Sequence[RtpPacket], within: int) -> list[RtpPacket]:
    """The same packets, none of them more than `within` places from its own."""
    dice = random.Random(seed)
    places = sorted(range(len(sent)), key=lambda index: index + dice.uniform(0, within))
    return [sent[index] for index in places]


def without(sent: Sequence[RtpPacket], lost: Callable[[RtpPacket], bool]) -> list[RtpPacket]:
    """The packets of which `lost` is not true."""
    return [packet for packet in sent if not lost(packet)]
