"""RTSP play: what an encoder makes is the same for everyone, and tells a joiner how to align its tracks."""

from dataclasses import replace

import pytest

from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.egress.rtsp import Line, RtspEncoder, format_name, starts
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp import packet, rtcp
from arcly_actors.protocols.rtp.reporting import Bye, SenderReport
from arcly_actors.protocols.rtp.sender_clock import from_ntp
from arcly_actors.protocols.rtsp.description import write
from arcly_actors.protocols.rtsp.message import Interleaved
from tests.support.rtsp import read_all
from tests.support.streams import clip

CLIP = clip()
MEDIA = write(CLIP.tracks, "")[1].media
LINES = [Line(medium, (2 * medium.index, 2 * medium.index + 1)) for medium in MEDIA]


def encoder(lines: list[Line] = LINES, seed: bytes = b"seed", sequence: int = 100) -> RtspEncoder:
    made = RtspEncoder(lines, seed, sequence, VirtualClock(wall_ns=1_700_000_000 * NS_PER_S))
    made.follow(CLIP.tracks)
    return made


def messages(data: bytes) -> list[Interleaved]:
    return [message for message in read_all(data) if isinstance(message, Interleaved)]


def reports(data: bytes) -> list[SenderReport]:
    compounds = [rtcp.parse(message.data) for message in messages(data) if message.channel % 2]
    return [one for compound in compounds for one in compound if isinstance(one, SenderReport)]


def test_packets_are_numbered_and_timed() -> None:
    made = encoder()
    data = b"".join(made.frame(frame) for frame in CLIP.frames)
    for line in LINES:
        read = [packet.parse(message.data) for message in messages(data) if message.channel == line.channels[0]]
        assert [one.sequence for one in read] == list(range(100, 100 + len(read)))
        assert {one.payload_type for one in read} == {line.medium.payload_type}
        assert len({one.ssrc for one in read}) == 1
        times = sorted({one.timestamp for one in read})
        track = line.medium.track
        assert track is not None
        assert len(times) == len([frame for frame in CLIP.frames if frame.track.id == track.id])


def test_the_first_packets_of_each_track() -> None:
    made = encoder()
    entries = [made.frame(frame) for frame in CLIP.frames]
    told = starts(LINES, entries[7:])
    for line, start in zip(LINES, told, strict=True):
        read = [packet.parse(one.data) for one in messages(b"".join(entries[7:])) if one.channel == line.channels[0]]
        assert (start.sequence, start.timestamp) == (read[0].sequence, read[0].timestamp)
    assert starts(LINES, []) == ()
    only = starts(LINES, [entry for entry in entries if timestamps(entry, LINES[0])])
    assert [start.medium for start in only] == [0]


def test_an_opening_ties_all_tracks_to_one_instant() -> None:
    made = encoder()
    data = b"".join(made.frame(frame) for frame in CLIP.frames)
    at = CLIP.frames[30].dts
    told = reports(made.opening(CLIP.tracks, {}, at))
    assert [one.ssrc for one in told] == [line_ssrc(data, line) for line in LINES]
    assert len({one.ntp for one in told}) == 1
    first = {line: timestamps(data, line)[0] for line in LINES if line is LINES[0]}
    video = CLIP.frames[next(i for i, frame in enumerate(CLIP.frames) if frame.track is CLIP.tracks[0])]
    assert (told[0].timestamp - first[LINES[0]]) / 90_000 == pytest.approx((at - video.pts) / NS_PER_S, abs=1e-4)
    wall = from_ntp(told[0].ntp)
    assert wall - 1_700_000_000 * NS_PER_S == pytest.approx(at - CLIP.frames[0].dts, abs=1000)


def line_ssrc(data: bytes, line: Line) -> int:
    return next(packet.parse(one.data).ssrc for one in messages(data) if one.channel == line.channels[0])


def timestamps(data: bytes, line: Line) -> list[int]:
    return [packet.parse(one.data).timestamp for one in messages(data) if one.channel == line.channels[0]]


def test_reports_come_every_five_seconds_and_a_bye_at_the_end() -> None:
    made = encoder()
    data = [made.frame(frame) for frame in CLIP.play(11)]
    with_reports = [index for index, one in enumerate(data) if reports(one)]
    assert len(with_reports) == 3
    assert all(len(reports(data[index])) == 2 for index in with_reports)
    ended = [one for message in messages(made.ending()) for one in rtcp.parse(message.data) if isinstance(one, Bye)]
    assert [one.ssrcs for one in ended] == [(line_ssrc(b"".join(data), line),) for line in LINES]


def test_an_encoder_that_is_made_again_keeps_ssrc_and_clock() -> None:
    first, again, other = encoder(), encoder(sequence=7), encoder(seed=b"other")
    made = [b"".join(one.frame(frame) for frame in CLIP.frames[:20]) for one in (first, again, other)]
    assert line_ssrc(made[0], LINES[0]) == line_ssrc(made[1], LINES[0]) != line_ssrc(made[2], LINES[0])
    assert timestamps(made[0], LINES[0]) == timestamps(made[1], LINES[0])


def test_only_what_was_set_up_is_sent() -> None:
    made = encoder([LINES[1]])
    data = b"".join(made.frame(frame) for frame in CLIP.frames)
    assert {message.channel for message in messages(data)} == {2, 3}
    assert format_name(LINES) == "rtsp/0.96.0-h264:0+1.97.1-aac:2"
    assert format_name([LINES[1]]) == "rtsp/1.97.1-aac:2"


def test_viewers_who_were_told_of_another_codec_share_nothing() -> None:
    """Found by simulation, seed 3: who came after a change of codec was given the silent feed of those before it."""
    other = replace(LINES[0].medium, track=Track(0, CodecId.H265))
    assert format_name([Line(other, (0, 1))]) != format_name([LINES[0]])


def test_a_track_that_becomes_another_codec_is_silent() -> None:
    made = encoder()
    made.follow((Track(0, CodecId.VP8), CLIP.tracks[1]))
    video, audio = CLIP.tracks
    assert all(made.frame(frame) == b"" for frame in CLIP.frames if frame.track is video)
    assert all(made.frame(frame) for frame in CLIP.frames if frame.track is audio)


def test_a_publisher_that_numbers_its_tracks_otherwise_is_heard() -> None:
    """Found by simulation, seed 409: one that had sound only gave it the number that the pictures had had."""
    made = encoder()
    sound = next(frame for frame in CLIP.frames if frame.track.id == 1)
    other = replace(sound.track, id=0)
    made.follow([other])
    heard = messages(made.frame(replace(sound, track=other)))
    assert {message.channel for message in heard} >= {LINES[1].channels[0]}
    assert LINES[0].channels[0] not in {message.channel for message in heard}
    made.follow(CLIP.tracks)
    assert {message.channel for message in messages(made.frame(sound))} == {LINES[1].channels[0]}


def test_a_frame_that_is_not_what_it_says_costs_only_itself() -> None:
    made = encoder()
    assert made.frame(MediaFrame(CLIP.tracks[0], 0, 0, b"\x00\x00\xff\xffcut", keyframe=True)) == b""
    assert made.dropped == 1
    assert made.frame(CLIP.frames[0])
    assert made.configuration(CLIP.tracks[0], 0) == b""
