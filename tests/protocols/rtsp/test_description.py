"""Session descriptions: what we serve is what we would understand, and what peers leave out is made up for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtsp.description import announcement, carried, parse, write
from tests.support.streams import clip

AV = clip().tracks
HEVC = clip(CodecId.H265, CodecId.OPUS).tracks
OTHERS = (
    Track(0, CodecId.VP8),
    Track(1, CodecId.VP9),
    Track(2, CodecId.PCMU, sample_rate=8000, channels=1),
    Track(3, CodecId.PCMA, sample_rate=16000, channels=2),
    Track(4, CodecId.G722, sample_rate=16000, channels=1),
    Track(5, CodecId.MP3),
)


@pytest.mark.parametrize("tracks", [AV, HEVC, OTHERS], ids=["h264+aac", "h265+opus", "others"])
def test_what_is_served_is_understood(tracks: tuple[Track, ...]) -> None:
    body, description = write(tracks, "live/cam")
    found = parse(body)
    assert [medium.payload_type for medium in found.media] == [medium.payload_type for medium in description.media]
    assert [medium.rate for medium in found.media] == [medium.rate for medium in description.media]
    assert [medium.control for medium in found.media] == [f"trackID={index}" for index in range(len(tracks))]
    for track, back in zip(tracks, found.tracks, strict=True):
        assert back.codec is track.codec
        if track.codec in {CodecId.H264, CodecId.H265, CodecId.AAC}:
            assert back.configuration == track.configuration or track.codec is CodecId.H265
            assert (back.width, back.sample_rate, back.channels) == (track.width, track.sample_rate, track.channels)


def test_the_static_payload_types() -> None:
    _, description = write(OTHERS, "")
    numbers = {medium.name: medium.payload_type for medium in description.media}
    assert numbers == {"VP8": 96, "VP9": 97, "PCMU": 0, "PCMA": 99, "G722": 9, "MPA": 14}
    body = b"v=0\r\nm=audio 0 RTP/AVP 9\r\nm=audio 0 RTP/AVP 14\r\n"
    assert [track.codec for track in parse(body).tracks] == [CodecId.G722, CodecId.MP3]


def test_tracks_without_a_payload_format_are_left_out() -> None:
    tracks = (*AV, Track(7, CodecId.FLAC), Track(8, CodecId.KLV))
    assert carried(tracks) == list(AV)
    assert len(write(tracks, "")[1].media) == len(AV)


def test_every_payload_format_has_its_name_in_a_description() -> None:
    for codec, form in FORMATS.items():
        track = Track(0, codec, sample_rate=form.rate or 48000, channels=2, configuration=_configuration(codec))
        (medium,) = parse(write((track,), "")[0]).media
        assert medium.track is not None, codec
        assert medium.track.codec is codec


def _configuration(codec: CodecId) -> bytes:
    return {track.codec: track.configuration for track in (*AV, *HEVC)}.get(codec, b"")


@pytest.mark.parametrize(
    ("host", "line"), [("192.0.2.1", b"IP4 192.0.2.1"), ("2001:db8::1", b"IP6 2001:db8::1"), ("h", b"IP4 0.0.0.0")]
)
def test_an_announcement_names_the_server(host: str, line: bytes) -> None:
    assert b"c=IN " + line + b"\r\n" in announcement(AV, host)[0]


CAMERAS = {
    "rtpmap of another payload type": "m=video 0 RTP/AVP 96\na=rtpmap:97 H264/90000\n",
    "spaces": "m=video 0 RTP/AVP 96\na=rtpmap:96  H264/90000 \na=fmtp:96  packetization-mode = 1 ; ;\n",
    "parameter sets that are none": "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=!,AA\n",
    "no line ends": "m=video 0 RTP/AVP 96\ra=rtpmap:96 h264/90000",
}


@pytest.mark.parametrize("text", CAMERAS.values(), ids=CAMERAS.keys())
def test_a_picture_whose_configuration_is_waited_for(text: str) -> None:
    (track,) = parse(text.encode()).tracks
    assert (track.codec, track.configuration) == (CodecId.H264, b"")


def test_aac_without_its_configuration_is_what_its_rtpmap_says() -> None:
    (track,) = parse(b"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/44100/2\n").tracks
    assert (track.sample_rate, track.channels, track.configuration) == (44100, 2, bytes.fromhex("1210"))


@pytest.mark.parametrize(
    "text",
    [
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/44100/2\na=fmtp:97 config=zz\n",
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/44100/2\na=fmtp:97 sizelength=many\n",
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 vorbis/44100/2\n",
        "m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n",
        "m=video 0 RTP/AVP 26\n",
        "m=video 0 RTP/AVP x\na=rtpmap:96 H264/90000\n",
    ],
)
def test_media_that_cannot_be_carried_are_named(text: str) -> None:
    description = parse(text.encode())
    assert description.tracks == ()
    assert len(description.media) == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Malformed),
        (b"v=0\r\n", Malformed),
        (b"hello", Malformed),
        (b"m=video\r\n", Malformed),
        (b"m=video 0 RTP/AVP 96\n" * 20, PeerLimit),
        (b"m=video 0 RTP/AVP 96\n" * 40, PeerLimit),
        (b"a=x\n" * 3000, PeerLimit),
        (b"a=" + b"x" * 70_000, PeerLimit),
    ],
)
def test_descriptions_that_are_none(body: bytes, error: type[PeerViolation]) -> None:
    with pytest.raises(error):
        parse(body)


@given(st.binary(max_size=200))
@settings(max_examples=80)
def test_noise_ends_in_a_description_or_one_error(noise: bytes) -> None:
    outcomes = [outcome(body) for body in (noise, write(AV, "")[0] + noise, b"m=audio 0 RTP/AVP 97\na=fmtp:97 " + noise)]
    assert all(outcomes)


def outcome(body: bytes) -> object:
    try:
        return parse(body).media
    except PeerViolation as error:
        return error
