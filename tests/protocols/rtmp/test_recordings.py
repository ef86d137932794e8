"""Real clients' bytes give exactly the events that were recorded with them, however they are cut."""

import random
from pathlib import Path

import pytest

from arcly_actors.protocols.rtmp.events import EndPlay, MediaReceived, PublishRequested, Send
from tests.support.rtmp import RECORDINGS, Served, as_messages, describe

ALL = sorted(RECORDINGS.glob("*.bin"), key=lambda path: path.name)


def expected(recording: Path) -> list[str]:
    return recording.with_suffix(".events").read_text().splitlines()


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_whole(recording: Path) -> None:
    served = Served()
    served.receive(recording.read_bytes())
    assert [describe(event) for event in served.events] == expected(recording)
    assert served.hangup is None
    assert not served.server.drops


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_byte_by_byte(recording: Path) -> None:
    served = Served()
    served.receive(*(bytes((byte,)) for byte in recording.read_bytes()))
    assert [describe(event) for event in served.events] == expected(recording)


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_random_cuts(recording: Path) -> None:
    data = recording.read_bytes()
    dice = random.Random(recording.stem)
    for _ in range(5):
        cuts = sorted(dice.choices(range(len(data)), k=40))
        served = Served()
        served.receive(*(data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)))
        assert [describe(event) for event in served.events] == expected(recording)


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_truncated_anywhere_is_only_incomplete(recording: Path) -> None:
    data = recording.read_bytes()
    dice = random.Random(recording.stem)
    for length in dice.choices(range(len(data)), k=30):
        served = Served()
        served.receive(data[:length])
        told = [describe(event) for event in served.events]
        assert told == expected(recording)[: len(told)]
        assert served.hangup is None


def test_the_published_clip_is_all_there() -> None:
    """Checked against what the clip is made of, not against the recorded events."""
    served = Served()
    served.receive((RECORDINGS / "ffmpeg-5.1-publish.bin").read_bytes())
    assert any(isinstance(event, PublishRequested) and event.path == "live/cam" for event in served.events)
    video = [event for event in served.media() if event.kind == "video"]
    coded = [event for event in video if event.body[1] == 1]
    assert video[0].body[:2] == b"\x17\x00"  # the AVC sequence header
    assert len(coded) == 30  # 2 s at 15 a second
    assert [event.timestamp_ms for event in coded if event.body[0] == 0x17] == [
        23,
        1023,
    ]  # after 1024 samples of AAC priming
    audio = [event.timestamp_ms for event in served.media() if event.kind == "audio"]
    assert audio == sorted(audio)


def test_the_hevc_clip_comes_as_enhanced_rtmp() -> None:
    served = Served()
    served.receive((RECORDINGS / "ffmpeg-8-publish-hevc.bin").read_bytes())
    video = [event.body for event in served.media() if event.kind == "video"]
    assert all(body[0] & 0x80 for body in video)
    assert {body[1:5] for body in video} == {b"hvc1"}


def test_a_published_recording_can_be_played_on() -> None:
    source = Served()
    source.receive((RECORDINGS / "gstreamer-1.22-publish.bin").read_bytes())
    player = Served()
    player.receive((RECORDINGS / "ffmpeg-5.1-play.bin").read_bytes())
    player.sent.clear()
    player.command(Send(as_messages(source.events)))
    player.command(EndPlay(1))
    bodies = [event.body for event in source.events if isinstance(event, MediaReceived)]
    assert all(body in player.sent for body in bodies)
