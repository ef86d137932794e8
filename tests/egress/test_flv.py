"""FLV in its three framings, read back by our own readers and by FFmpeg."""

import io
import re
from dataclasses import replace

import pytest

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress import rtmp
from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.egress.http_flv import ChunkFraming, FileFraming, make_chunked_encoder, make_file_encoder
from arcly_actors.ingest.flv_tracks import FlvTracks, TracksLearnt
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.flv import FlvReader, Tag, TagType
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import to_ms
from arcly_actors.protocols.rtmp import amf0
from arcly_actors.protocols.rtmp.chunk_reader import ChunkReader
from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE, RtmpLimits
from tests.media import samples
from tests.support.streams import Clip, clip

PAIRS = [
    (CodecId.H264, CodecId.AAC),
    (CodecId.H265, CodecId.AC3),
    (CodecId.AV1, CodecId.OPUS),
    (CodecId.VP9, CodecId.FLAC),
    (CodecId.H264, None),
    (None, CodecId.AAC),
    (None, CodecId.MP3),
]
BOTH_KINDS = frozenset({Kind.VIDEO, Kind.AUDIO})


def encoded(encoder: FlvEncoder, made: Clip, *, start: int = 0, count: int = 90) -> bytes:
    """A viewer's bytes from `start` (ns) on."""
    encoder.follow(made.tracks)
    frames = [frame.at(pts=frame.pts + start, dts=frame.dts + start) for frame in made.frames[:count]]
    opening = encoder.opening(made.tracks, {"title": "a clip"}, frames[0].dts)
    return opening + b"".join(encoder.frame(frame) for frame in frames) + encoder.ending()


def received(tags: list[Tag]) -> tuple[tuple[Track, ...], list[MediaFrame]]:
    """What an ingest makes of the tags."""
    reader, tracks, frames = FlvTracks(), tuple[Track, ...](), list[MediaFrame]()
    for tag in tags:
        if tag.type is TagType.SCRIPT:
            name, values = amf0.decode(tag.body)
            assert name == "onMetaData"
            assert isinstance(values, dict)
            reader.hint(values)
            continue
        kind = Kind.VIDEO if tag.type is TagType.VIDEO else Kind.AUDIO
        for item in reader.receive(kind, tag.timestamp_ms, tag.body, 0):
            if isinstance(item, TracksLearnt):
                tracks = item.tracks
            else:
                frames.append(item)
    assert reader.dropped == 0
    return tracks, frames


def unchunk(data: bytes) -> bytes:
    """The body of an HTTP/1.1 response that has ended (RFC 9112 §7.1)."""
    body = b""
    while True:
        line = re.match(rb"([0-9a-f]+)\r\n", data)
        assert line is not None
        size = int(line[1], 16)
        start = line.end()
        body += data[start : start + size]
        assert data[start + size : start + size + 2] == b"\r\n"
        data = data[start + size + 2 :]
        if size == 0:
            assert data == b""
            return body


@pytest.mark.parametrize(("video", "audio"), PAIRS)
def test_an_ingest_reads_back_what_was_sent(video: CodecId | None, audio: CodecId | None) -> None:
    made = clip(video, audio, b_frames=2 if video is CodecId.H264 else 0)
    tracks, frames = received(FlvReader().feed(encoded(make_file_encoder(), made)))
    assert [track.codec for track in tracks] == [track.codec for track in made.tracks]
    for track, sent_track in zip(tracks, made.tracks, strict=True):
        assert sent_track.configuration in {b"", track.configuration}  # VP9's is learnt from its frames
        got = [frame for frame in frames if frame.track.id == track.id]
        sent = [frame for frame in made.frames[:90] if frame.track.id == sent_track.id]
        assert [frame.payload for frame in got] == [frame.payload for frame in sent]
        assert [frame.keyframe for frame in got] == [frame.keyframe for frame in sent]
        assert [to_ms(frame.dts) for frame in got] == [to_ms(frame.dts) for frame in sent]
        if track.codec is CodecId.H264:
            assert [to_ms(frame.pts) for frame in got] == [to_ms(frame.pts) for frame in sent]


@pytest.mark.parametrize(("video", "audio"), PAIRS)
@pytest.mark.parametrize("start_ms", [0, 5_000_000])
def test_ffmpeg_reads_what_was_sent(video: CodecId | None, audio: CodecId | None, start_ms: int) -> None:
    made = clip(video, audio, b_frames=2 if video is CodecId.H264 else 0)
    found = samples.read(io.BytesIO(encoded(make_file_encoder(), made, start=start_ms * NS_PER_MS)))
    assert [stream.codec for stream in found] == [track.codec for track in made.tracks]
    for stream, track in zip(found, made.tracks, strict=True):
        sent = [frame for frame in made.frames[:90] if frame.track is track]
        assert [packet.payload for packet in stream.packets] == [frame.payload for frame in sent]
        assert [packet.dts_ms for packet in stream.packets] == [to_ms(frame.dts) + start_ms for frame in sent]
        assert [packet.keyframe for packet in stream.packets] == [frame.keyframe for frame in sent]
        if track.kind is Kind.VIDEO:
            assert (stream.width, stream.height) == (track.width, track.height)
        else:
            assert (stream.sample_rate, stream.channels) == (track.sample_rate, track.channels)
        if track.codec in {CodecId.H264, CodecId.H265, CodecId.AAC}:
            assert stream.configuration == track.configuration


def test_chunks_joined_are_the_file_and_end_the_response() -> None:
    made = clip()
    chunked = encoded(make_chunked_encoder(), made)
    assert unchunk(chunked) == encoded(make_file_encoder(), made)


def test_messages_have_the_tags_bodies_and_times() -> None:
    made = clip()
    file = FlvReader().feed(encoded(make_file_encoder(), made, start=0xFFFFFF * NS_PER_MS))
    reader = ChunkReader(RtmpLimits(), 2**23)
    reader.chunk_size = OUTGOING_CHUNK_SIZE
    reader.feed(encoded(rtmp.make_encoder(3, BOTH_KINDS), made, start=0xFFFFFF * NS_PER_MS))
    messages = []
    while (message := reader.next_message()) is not None:
        messages.append(message)
    assert {message.stream_id for message in messages} == {3}
    assert [(m.type, m.timestamp_ms, m.body) for m in messages] == [(t.type, t.timestamp_ms, t.body) for t in file]


def test_any_message_is_good_at_any_point_of_any_connection() -> None:
    """Each has a full header, so a viewer may join anywhere and its bytes are those of all others."""
    made, encoder = clip(), rtmp.make_encoder(1, BOTH_KINDS)
    encoder.follow(made.tracks)
    for frame in made.frames[:20]:
        reader = ChunkReader(RtmpLimits(), 2**23)
        reader.chunk_size = OUTGOING_CHUNK_SIZE
        reader.feed(encoder.frame(frame))
        message = reader.next_message()
        assert message is not None
        assert message.body.endswith(frame.payload)


@pytest.mark.parametrize("kind", [Kind.VIDEO, Kind.AUDIO])
def test_a_player_may_want_one_kind_only(kind: Kind) -> None:
    made = clip()
    encoder = FlvEncoder(FileFraming(), frozenset({kind}))
    tracks, frames = received(FlvReader().feed(encoded(encoder, made)))
    assert [track.kind for track in tracks] == [kind]
    assert {frame.track.kind for frame in frames} == {kind}
    for track in made.tracks:
        assert bool(encoder.configuration(track, 0)) == (track.kind is kind)


def test_of_several_tracks_of_a_kind_the_first_that_can_be_carried_is_sent() -> None:
    picture = Track(5, CodecId.H264, b"avcC")
    tracks = (Track(0, CodecId.G722), Track(4, CodecId.PCMU), picture, Track(6, CodecId.H264, b"other"))
    encoder = make_file_encoder()
    encoder.follow(tracks)
    sent = [track.id for track in tracks if encoder.frame(MediaFrame(track, 0, 0, b"payload", keyframe=True))]
    assert sent == [4, 5]
    configured = [track.id for track in tracks if encoder.configuration(track, 0)]
    assert configured == [5]
    (body,) = [tag.body for tag in FlvReader().feed(encoder.opening(tracks, {}, 0)) if tag.type is TagType.VIDEO]
    assert body.endswith(b"avcC")


def test_the_file_header_says_what_follows() -> None:
    for tracks, flags in ((clip().tracks, 5), (clip().tracks[:1], 1), (clip().tracks[1:], 4)):
        assert make_file_encoder().opening(tracks, {}, 0)[:13] == b"FLV\x01%c\x00\x00\x00\x09\x00\x00\x00\x00" % flags


def test_metadata_tells_of_the_tracks_first_and_cannot_be_overruled() -> None:
    opening = make_file_encoder().opening(clip().tracks, {"title": "t", "width": "7"}, 9 * NS_PER_MS)
    script, *configurations = FlvReader().feed(opening)
    _, values = amf0.decode(script.body)
    assert isinstance(values, dict)
    assert (values["title"], values["width"]) == ("t", 160.0)
    assert script.timestamp_ms == 0
    assert [tag.timestamp_ms for tag in configurations] == [9, 9]


def test_times_wrap_at_32_bits() -> None:
    made = clip(None, CodecId.AAC)
    frame = made.frames[0]
    encoder = make_file_encoder()
    encoder.follow(made.tracks)
    head = FileFraming().begin(made.tracks)
    late = replace(frame, dts=(2**32 + 5) * NS_PER_MS, pts=(2**32 + 5) * NS_PER_MS)
    (tag,) = FlvReader().feed(head + encoder.frame(late))
    assert tag.timestamp_ms == 5


def test_endings() -> None:
    assert FileFraming().end() == b""
    assert ChunkFraming().end() == b"0\r\n\r\n"
    assert rtmp.make_encoder(1, BOTH_KINDS).ending() == b""
    assert rtmp.format_name(1, BOTH_KINDS) != rtmp.format_name(1, frozenset({Kind.VIDEO}))
