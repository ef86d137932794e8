"""RTP packets to frames: what was sent comes back, with the right times, whatever a sender or the network does to it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_MS, NS_PER_S, VirtualClock
from arcly_actors.egress.rtsp import Line, RtspEncoder
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.ingest.rtp_tracks import RtpTracks
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp import packet, rtcp
from arcly_actors.protocols.rtp.reporting import ReceiverReport
from arcly_actors.protocols.rtsp.description import Description, Medium, parse, write
from arcly_actors.protocols.rtsp.events import Packet
from arcly_actors.protocols.rtsp.message import Interleaved, Request
from tests.support.rtsp import RECORDINGS, read_all
from tests.support.streams import Clip, clip

CLIP = clip(gop=10)
VIDEO, AUDIO = CLIP.tracks


def sent(frames: Iterable[MediaFrame], tracks: Sequence[Track], *, reports: bool = True) -> list[Packet]:
    """The packets of these frames, as our own server sends them."""
    _, description = write(tracks, "")
    lines = [Line(medium, (2 * medium.index, 2 * medium.index + 1)) for medium in description.media]
    encoder = RtspEncoder(lines, b"seed", 65_530, VirtualClock())
    encoder.follow(tracks)
    data = b"".join(encoder.frame(frame) for frame in frames)
    made = [
        Packet(message.channel // 2, bool(message.channel % 2), message.data)
        for message in read_all(data)
        if isinstance(message, Interleaved)
    ]
    return [one for one in made if reports or not one.rtcp]


def described(tracks: Sequence[Track]) -> Description:
    return parse(write(tracks, "")[0])


def received(
    packets: Iterable[Packet], media: Iterable[Medium], *, reorder: bool = False
) -> tuple[RtpTracks, list[object]]:
    """What comes of them, each arriving a millisecond after the other, and then nothing for a second."""
    tracks = RtpTracks(media, 7, "me", reorder=reorder)
    found: list[object] = []
    now = NS_PER_S
    for one in packets:
        now += NS_PER_MS
        found += tracks.receive([one], now)
    found += tracks.wake(now + NS_PER_S)
    return tracks, found


def frames(found: Iterable[object], kind: Kind) -> list[MediaFrame]:
    return [one for one in found if isinstance(one, MediaFrame) and one.track.kind is kind]


CLIPS = {
    "h264+aac": CLIP,
    "b-frames": clip(b_frames=2),
    "h265+opus": clip(CodecId.H265, CodecId.OPUS),
    "vp9+mp3": clip(CodecId.VP9, CodecId.MP3),
    "av1+aac": clip(CodecId.AV1, CodecId.AAC),
}


@pytest.mark.parametrize("reorder", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("material", CLIPS.values(), ids=CLIPS.keys())
def test_what_was_sent_comes_back(material: Clip, reorder: bool) -> None:
    _, found = received(sent(material.frames, material.tracks), described(material.tracks).media, reorder=reorder)
    told = found[0]
    assert isinstance(told, TracksLearnt)
    assert [track.codec for track in told.tracks] == [track.codec for track in material.tracks]
    for kind in (Kind.VIDEO, Kind.AUDIO):
        before = [frame for frame in material.frames if frame.track.kind is kind]
        after = frames(found, kind)
        assert len(after) == len(before)
        assert [frame.keyframe for frame in after] == [frame.keyframe for frame in before]
        shift = after[0].pts - before[0].pts
        assert all(abs(new.pts - old.pts - shift) <= NS_PER_MS for new, old in zip(after, before, strict=True))
        assert all(new.dts <= new.pts for new in after)
        assert [frame.dts for frame in after] == sorted({frame.dts for frame in after})
        if kind is Kind.AUDIO:
            assert [frame.payload for frame in after] == [frame.payload for frame in before]
    assert all(frame.captured for frame in frames(found, Kind.VIDEO)[1:])


def test_sound_and_picture_are_aligned_by_reports() -> None:
    late = [one for one in sent(CLIP.frames, CLIP.tracks) if one.medium == 1]
    early = [one for one in sent(CLIP.frames, CLIP.tracks) if one.medium == 0]
    _, found = received([*early, *late], described(CLIP.tracks).media)
    video, audio = frames(found, Kind.VIDEO), frames(found, Kind.AUDIO)
    first = min(frame.dts for frame in CLIP.frames if frame.track is VIDEO)
    other = min(frame.dts for frame in CLIP.frames if frame.track is AUDIO)
    assert abs((audio[0].pts - video[0].pts) - (other - first)) < 6 * NS_PER_MS


def test_parameter_sets_that_come_only_in_band() -> None:
    bare = [replace(medium, track=replace(medium.track, configuration=b"")) if medium.track and not index else medium
            for index, medium in enumerate(described(CLIP.tracks).media)]  # fmt: skip
    _, found = received(sent(CLIP.frames, CLIP.tracks), bare)
    told = found[0]
    assert isinstance(told, TracksLearnt)
    assert told.tracks[0].configuration == VIDEO.configuration
    assert told.tracks[0].width == VIDEO.width
    assert len(frames(found, Kind.VIDEO)) == len([frame for frame in CLIP.frames if frame.track is VIDEO])


def test_a_track_that_never_comes_is_not_waited_for_for_ever() -> None:
    media = [replace(medium, track=Track(0, CodecId.H264)) if not index else medium
             for index, medium in enumerate(described(CLIP.tracks).media)]  # fmt: skip
    only_sound = [one for one in sent(clip(seconds=5).frames, CLIP.tracks) if one.medium == 1]
    tracks = RtpTracks(media, 7, "me", reorder=False)
    found = [item for number, one in enumerate(only_sound) for item in tracks.receive([one], number * 20 * NS_PER_MS)]
    told = found[0]
    assert isinstance(told, TracksLearnt)
    assert [track.codec for track in told.tracks] == [CodecId.AAC]
    assert len(frames(found, Kind.AUDIO)) > 200


def without_markers(one: Packet) -> Packet:
    data = bytearray(one.data)
    if not one.rtcp:
        data[1] &= 0x7F
    return one._replace(data=bytes(data))


def test_cameras_that_never_set_the_marker_bit() -> None:
    """Quirk: the end of a picture is seen by the next one's time, so the last one is still under way."""
    packets = [without_markers(one) for one in sent(CLIP.frames, (VIDEO,)) if one.medium == 0]
    _, found = received(packets, described((VIDEO,)).media)
    assert len(frames(found, Kind.VIDEO)) == len([frame for frame in CLIP.frames if frame.track is VIDEO]) - 1


def test_timestamps_that_start_over() -> None:
    """Quirk: after a while the same sender begins again with its first times; what follows comes through."""
    packets = sent(CLIP.frames, CLIP.tracks, reports=False)
    again = [renumbered(one, 30_000) for one in packets]
    _, found = received([*packets, *again], described(CLIP.tracks).media)
    once = len([frame for frame in CLIP.frames if frame.track is VIDEO])
    video = frames(found, Kind.VIDEO)
    assert len(video) >= 2 * once - 12  # at most a GOP is lost at the seam
    assert video[-1].dts - video[-2].dts == pytest.approx(NS_PER_S / 30, abs=NS_PER_MS)


def renumbered(one: Packet, by: int) -> Packet:
    read = packet.parse(one.data)
    return one._replace(data=packet.build(read._replace(sequence=read.sequence + by & 0xFFFF)))


def test_packets_of_somebody_else_are_ignored_until_the_sender_is_silent() -> None:
    packets = sent(CLIP.frames, (VIDEO,), reports=False)
    foreign = [one._replace(data=packet.build(packet.parse(one.data)._replace(ssrc=99))) for one in packets]
    mixed = [one for pair in zip(packets, foreign, strict=True) for one in pair]
    tracks, found = received(mixed, described((VIDEO,)).media)
    assert len(frames(found, Kind.VIDEO)) == len([frame for frame in CLIP.frames if frame.track is VIDEO])
    assert tracks.dropped["another ssrc"] == len(foreign)
    later = [item for one in foreign for item in tracks.receive([one], 100 * NS_PER_S)]
    assert len(frames(later, Kind.VIDEO)) == len(frames(found, Kind.VIDEO))


def test_disorder_and_loss_over_udp() -> None:
    packets = sent(CLIP.frames, CLIP.tracks)
    swapped = [packets[index ^ 1] if index ^ 1 < len(packets) else packets[index] for index in range(len(packets))]
    _, found = received(swapped, described(CLIP.tracks).media, reorder=True)
    assert len(frames(found, Kind.VIDEO)) == len([frame for frame in CLIP.frames if frame.track is VIDEO])
    lossy = [one for index, one in enumerate(packets) if index != 40]
    tracks, found = received(lossy, described(CLIP.tracks).media, reorder=True)
    assert 20 < len(frames(found, Kind.VIDEO)) + len(frames(found, Kind.AUDIO)) < len(CLIP.frames)
    (video, _) = tracks.reports(3 * NS_PER_S)
    (report, _) = rtcp.parse(video.data)
    assert isinstance(report, ReceiverReport)
    assert report.ssrc == 7
    assert tracks.dropped["missing"] == 1


def test_what_is_no_media_is_counted() -> None:
    media = described((VIDEO,)).media
    junk = [
        Packet(0, False, b"x"),
        Packet(0, True, b"y"),
        Packet(5, False, b"z"),
        Packet(0, False, b"\x80\x7f" + bytes(10)),
    ]
    tracks, found = received(junk, media)
    assert found == []
    assert tracks.dropped == {"malformed": 2, "not carried": 1, "payload type": 1}
    assert tracks.reports(0) == ()


@pytest.mark.parametrize(
    "name", ["ffmpeg-5.1-publish", "ffmpeg-8-publish-h264", "ffmpeg-8-publish-hevc", "gstreamer-1.22-publish"]
)
def test_what_real_publishers_sent(name: str) -> None:
    data = (RECORDINGS / f"{name}.bin").read_bytes()
    messages = read_all(data)
    (body,) = [one.body for one in messages if isinstance(one, Request) and one.method == "ANNOUNCE"]
    packets = [
        Packet(one.channel // 2, bool(one.channel % 2), one.data) for one in messages if isinstance(one, Interleaved)
    ]
    _, found = received(packets, parse(body).media)
    assert len(frames(found, Kind.VIDEO)) == 15
    assert frames(found, Kind.VIDEO)[0].keyframe


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.binary(max_size=80)), max_size=20), st.booleans())
@settings(max_examples=100)
def test_noise(packets: list[tuple[int, bool, bytes]], reorder: bool) -> None:
    tracks, found = received([Packet(*one) for one in packets], described(CLIP.tracks).media, reorder=reorder)
    assert len(found) <= 4 * len(packets)
    assert sum(tracks.dropped.values()) >= 0


BEGINNING = sent(CLIP.frames[:40], CLIP.tracks)


@given(st.lists(st.tuples(st.integers(0, len(BEGINNING) - 1), st.integers(0, 2000), st.integers(0, 255)), max_size=8))
@settings(max_examples=60)
def test_damaged_packets(damage: list[tuple[int, int, int]]) -> None:
    packets = list(BEGINNING)
    for index, at, value in damage:
        data = bytearray(packets[index].data)
        data[at % len(data)] = value
        packets[index] = packets[index]._replace(data=bytes(data))
    _, found = received(packets, described(CLIP.tracks).media, reorder=True)
    assert len(found) <= len(packets)
