"""FLV tag bodies to tracks and frames."""

from collections.abc import Mapping

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcly_actors.errors import PeerViolation, Refusal, Refused
from arcly_actors.ingest.flv_tracks import AUDIO_TRACK, VIDEO_TRACK, FlvTracks, TracksLearnt
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.flv import TagType
from arcly_actors.media.flv_audio import audio_configuration, audio_frame_header
from arcly_actors.media.flv_video import video_configuration, video_frame_header
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import from_ms
from arcly_actors.protocols.rtmp import amf0
from tests.media import samples
from tests.support.streams import clip

HINTS = {"videocodecid": 7.0, "audiocodecid": 10.0}
VIDEO, AUDIO = clip().tracks
PICTURE = next(frame for frame in clip().frames if frame.keyframe and frame.track is VIDEO).payload
VIDEO_HEADER, AUDIO_HEADER = video_configuration(VIDEO), audio_configuration(AUDIO)
VIDEO_BODY = video_frame_header(CodecId.H264, keyframe=True, composition_ms=40) + PICTURE
AUDIO_BODY = audio_frame_header(AUDIO) + b"sound"


class Ingest:
    """Collects what comes out, in order: ``t`` with track ids, ``v`` and ``a`` with milliseconds."""

    def __init__(self, hints: Mapping[str, object] | None = None) -> None:
        self.tracks = FlvTracks()
        if hints is not None:
            self.tracks.hint(hints)
        self.out: list[str] = []
        self.items: list[TracksLearnt | MediaFrame] = []

    def video(self, ms: int, body: bytes = VIDEO_BODY) -> None:
        self._take(Kind.VIDEO, ms, body)

    def audio(self, ms: int, body: bytes = AUDIO_BODY) -> None:
        self._take(Kind.AUDIO, ms, body)

    def _take(self, kind: Kind, ms: int, body: bytes) -> None:
        for item in self.tracks.receive(kind, ms, body, 99):
            self.items.append(item)
            if isinstance(item, TracksLearnt):
                self.out.append("t" + "".join(str(track.id) for track in item.tracks))
            else:
                self.out.append(f"{'va'[item.track.id]}{item.dts // from_ms(1)}")

    @property
    def learnt(self) -> tuple[Track, ...]:
        return [item for item in self.items if isinstance(item, TracksLearnt)][-1].tracks


def test_tracks_are_told_together_and_before_their_frames() -> None:
    ingest = Ingest(HINTS)
    ingest.video(0, VIDEO_HEADER)
    ingest.audio(0, AUDIO_HEADER)
    ingest.video(0)
    ingest.audio(21)
    assert ingest.out == ["t01", "v0", "a21"]
    assert [track.id for track in ingest.learnt] == [VIDEO_TRACK, AUDIO_TRACK]
    assert (ingest.learnt[0].width, ingest.learnt[1].sample_rate) == (VIDEO.width, AUDIO.sample_rate)
    frame = ingest.items[1]
    assert isinstance(frame, MediaFrame)
    assert (frame.pts - frame.dts, frame.arrival, frame.keyframe) == (from_ms(40), 99, True)


def test_frames_that_waited_for_the_other_track_are_not_lost() -> None:
    ingest = Ingest(HINTS)
    ingest.audio(0, AUDIO_HEADER)
    for ms in (0, 21, 42):
        ingest.audio(ms)
    ingest.video(0, VIDEO_HEADER)
    ingest.video(0)
    assert ingest.out == ["t01", "a0", "a21", "a42", "v0"]


@pytest.mark.parametrize("hints", [None, HINTS])
def test_a_track_that_never_comes_is_not_waited_for_for_ever(hints: Mapping[str, object] | None) -> None:
    ingest = Ingest(hints)
    ingest.audio(0, AUDIO_HEADER)
    for number in range(20):
        ingest.audio(20 * number)
    assert ingest.out == ["t1", *(f"a{20 * number}" for number in range(20))]
    ingest.video(400, VIDEO_HEADER)
    ingest.video(400)
    assert ingest.out[-2:] == ["t01", "v400"]


def test_metadata_that_names_one_track_is_enough_for_it() -> None:
    ingest = Ingest({"audiocodecid": 10.0, "videocodecid": None, "width": 0.0})
    ingest.audio(0, AUDIO_HEADER)
    ingest.audio(0)
    assert ingest.out == ["t1", "a0"]


def test_frames_before_their_configuration_are_dropped_and_counted() -> None:
    ingest = Ingest(HINTS)
    ingest.video(0)
    ingest.audio(0)
    assert (ingest.out, ingest.tracks.dropped) == ([], 2)


def test_the_same_configuration_again_is_no_news_and_another_is_the_next_version() -> None:
    ingest = Ingest(HINTS)
    for _ in range(2):
        ingest.video(0, VIDEO_HEADER)
        ingest.audio(0, AUDIO_HEADER)
    assert ingest.out == ["t01"]
    ingest.video(0, video_configuration(clip(width=320).tracks[0]))
    assert ingest.out == ["t01", "t01"]
    assert [(track.version, track.width) for track in ingest.learnt] == [(1, 320), (0, 0)]


def test_another_codec_is_another_version_and_waits_for_its_configuration() -> None:
    ingest = Ingest({"videocodecid": 7.0})
    ingest.video(0, VIDEO_HEADER)
    ingest.video(0)
    other = clip(CodecId.H265, None).tracks[0]
    ingest.video(40, video_frame_header(CodecId.H265, keyframe=True) + PICTURE)
    ingest.video(40, video_configuration(other))
    assert (ingest.out, ingest.tracks.dropped) == (["t0", "v0", "t0"], 1)
    assert (ingest.learnt[0].codec, ingest.learnt[0].version) == (CodecId.H265, 1)


def test_both_tracks_wrap_together() -> None:
    ingest = Ingest(HINTS)
    ingest.video(2**32 - 20, VIDEO_HEADER)
    ingest.audio(2**32 - 20, AUDIO_HEADER)
    ingest.video(2**32 - 20)
    ingest.audio(1)
    ingest.video(20)
    assert ingest.out[1:] == [f"v{2**32 - 20}", f"a{2**32 + 1}", f"v{2**32 + 20}"]


def test_what_is_not_carried_is_refused_and_what_says_nothing_ignored() -> None:
    ingest = Ingest()
    with pytest.raises(Refused) as refused:
        ingest.video(0, b"\x12" + bytes(20))
    assert refused.value.refusal is Refusal.UNSUPPORTED
    for body in (b"", b"\x57\x00", VIDEO_HEADER[:5], VIDEO_BODY[:5]):
        ingest.video(0, body)
    assert ingest.out == []


@pytest.mark.parametrize("name", samples.FLV)
def test_recorded_streams_come_through_whole(name: str) -> None:
    reader, frames, tracks = FlvTracks(), list[MediaFrame](), tuple[Track, ...]()
    for tag in samples.tags(name):
        if tag.type is TagType.SCRIPT:
            values = amf0.decode(tag.body)[1]
            assert isinstance(values, dict)
            reader.hint(values)
            continue
        kind = Kind.VIDEO if tag.type is TagType.VIDEO else Kind.AUDIO
        for item in reader.receive(kind, tag.timestamp_ms, tag.body, 1):
            if isinstance(item, TracksLearnt):
                tracks = item.tracks
            else:
                frames.append(item)
    expected = samples.references(name)
    assert [track.codec for track in tracks] == [reference.codec for reference in expected]
    for track, reference in zip(tracks, expected, strict=True):
        got = [frame for frame in frames if frame.track.id == track.id]
        assert len(got) == len(reference.packets)
        assert [frame.dts // from_ms(1) for frame in got] == [packet.dts_ms for packet in reference.packets]
        assert (track.width, track.height) == (reference.width, reference.height)
    assert reader.dropped == 0


@given(st.lists(st.tuples(st.sampled_from([Kind.VIDEO, Kind.AUDIO]), st.integers(0, 2**32), st.binary(max_size=40))))
@settings(max_examples=120)
def test_any_bodies_are_frames_or_one_error(bodies: list[tuple[Kind, int, bytes]]) -> None:
    reader = FlvTracks()
    told = False
    for kind, ms, body in bodies:
        try:
            items = reader.receive(kind, ms, body, 0)
        except (PeerViolation, Refused):
            continue
        for item in items:
            told = told or isinstance(item, TracksLearnt)
            assert told  # no frame before its tracks
    assert len(reader._early) <= 16
