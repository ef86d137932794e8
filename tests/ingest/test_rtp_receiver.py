"""What a sender's packets become: the frames that were sent, over networks that lose, double and reorder."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from aiortc.rtp import RtcpPacket as OtherRtcp
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpRtpfbPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.ingest.rtp_receiver import RtpReceiver
from arcly_actors.media import nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import COLOR_SPACE, MediaFrame
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.reporting import Bye, ReceiverReport
from arcly_actors.protocols.rtp.transport_cc import TransportFeedback
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, Publish
from arcly_actors.protocols.webrtc.negotiate import answer
from tests.protocols.webrtc.offers import LOCAL, recorded
from tests.support.rtp_sending import Journey, Numbers, SentTrack
from tests.support.streams import clip

MEDIA = {each.kind: each for each in answer(recorded("chromium-156-whip-h264"), Publish(), LOCAL).media}
CLIP = clip(CodecId.H264, CodecId.OPUS)


def plain(media: AgreedMedia) -> AgreedMedia:
    """The same without retransmissions of any kind."""
    assert media.format is not None
    bare = replace(media.format, rtx=None, feedback=("nack pli",))
    return replace(media, format=bare, repairs={}, ssrcs=media.ssrcs[:1])


def scene(
    *, repairs: bool = True, video_skew: int = 0, audio_skew: int = 0, **network: float
) -> tuple[Journey, SentTrack, SentTrack]:
    """A sender of pictures and sound."""
    media = MEDIA if repairs else {kind: plain(each) for kind, each in MEDIA.items()}
    journey = Journey(RtpReceiver(tuple(media.values()), 77), **network)  # type: ignore[arg-type]  # int and float
    numbers = Numbers()
    video = SentTrack(media["video"], numbers, skew=video_skew)
    audio = SentTrack(media["audio"], numbers, ticks=4711, skew=audio_skew)
    return journey, video, audio


def both(video: SentTrack, audio: SentTrack, seconds: float, start: int = 0) -> list[tuple[SentTrack, MediaFrame]]:
    """The clip on its tracks."""
    return [(video if frame.track.kind is Kind.VIDEO else audio, frame) for frame in CLIP.play(seconds, start=start)]


def pictures(frames: list[MediaFrame]) -> list[list[bytes]]:
    """The slices of each picture; parameter sets and SEI may come and go."""
    return [
        [unit for unit in nal.split(frame.payload) if unit[0] & 31 in {1, 5}]
        for frame in frames
        if frame.track.kind is Kind.VIDEO
    ]


def sounds(frames: list[MediaFrame]) -> list[bytes]:
    return [frame.payload for frame in frames if frame.track.kind is Kind.AUDIO]


def test_what_comes_out_is_what_was_sent() -> None:
    journey, video, audio = scene()
    sent = both(video, audio, 4)
    journey.play(sent)
    journey.run(300)
    frames = [frame for _, frame in sent]
    assert pictures(journey.frames) == pictures(frames)
    assert sounds(journey.frames) == sounds(frames)
    keys = [frame.keyframe for frame in frames if frame.track.kind is Kind.VIDEO]
    assert [frame.keyframe for frame in journey.frames if frame.track.kind is Kind.VIDEO] == keys
    assert journey.heard(Nack) == []


@pytest.mark.parametrize("seed", range(5))
def test_repair_gives_back_what_a_bad_network_took(seed: int) -> None:
    journey, video, audio = scene(seed=seed, loss=0.05, jitter_ms=8)
    journey.doubled = 0.05
    sent = both(video, audio, 6)

    def calm_at_its_end() -> Iterator[tuple[SentTrack, MediaFrame]]:
        for index, each in enumerate(sent):
            if index == len(sent) - 6:  # nobody could tell that the very last one is lost
                journey.loss = 0
            yield each

    journey.play(calm_at_its_end())
    journey.run(400)
    frames = [frame for _, frame in sent]
    assert journey.heard(Nack)
    assert pictures(journey.frames) == pictures(frames)
    heard = sounds(journey.frames)
    assert len(heard) > len(sounds(frames)) * 0.9
    waiting = iter(sounds(frames))
    assert all(each in waiting for each in heard), "in order, none twice"


@pytest.mark.parametrize("seed", range(5))
def test_without_repair_nothing_is_shown_between_a_loss_and_a_keyframe(seed: int) -> None:
    journey, video, audio = scene(repairs=False, seed=seed, loss=0.03)
    sent = both(video, audio, 8)
    journey.play(sent)
    journey.run(400)
    assert journey.heard(Nack) == []
    wanted = pictures([frame for _, frame in sent])
    keys = [index for index, frame in enumerate(_video(sent)) if frame.keyframe]
    shown = [wanted.index(each) if wanted.count(each) == 1 else None for each in pictures(journey.frames)]
    places = _places(journey, sent)
    assert len(shown) == len(places)
    for before, after in pairwise(places):
        assert after == before + 1 or after in keys, "it goes on with a keyframe only"
    assert places[0] in keys
    assert 0 < len(places) < len(wanted)


def _video(sent: list[tuple[SentTrack, MediaFrame]]) -> list[MediaFrame]:
    return [frame for _, frame in sent if frame.track.kind is Kind.VIDEO]


def _places(journey: Journey, sent: list[tuple[SentTrack, MediaFrame]]) -> list[int]:
    """Which pictures came out, by their times; the first one that did is a keyframe at its own time."""
    video = [frame for frame in journey.frames if frame.track.kind is Kind.VIDEO]
    shown, all_sent = pictures(video), pictures(_video(sent))
    first = all_sent.index(shown[0])
    step = NS_PER_S // 30
    return [first + round((frame.pts - video[0].pts) / step) for frame in video]


def test_the_colour_space_of_keyframes_is_their_tracks_and_makes_no_other_track_of_it() -> None:
    journey, video, audio = scene()
    for told in (bytes.fromhex("05060601"), bytes(range(28)), b"\x01", b""):
        video.color_space = told
        before = len(journey.frames)
        start = journey.now
        journey.play([(track, frame.at(pts=frame.pts, dts=0)) for track, frame in both(video, audio, 1)])
        journey.run(100)
        assert journey.now > start
        seen = [frame.track for frame in journey.frames[before:] if frame.track.kind is Kind.VIDEO]
        assert len(seen) > 20
        assert {track.metadata.get(COLOR_SPACE, "") for track in seen} == {told.hex() if len(told) > 1 else ""}
        assert len({id(track) for track in seen}) == 1, "one value for all frames"
    tracks = [frame.track for frame in journey.frames if frame.track.kind is Kind.VIDEO]
    assert all(track == tracks[0] for track in tracks), "nothing is announced anew"


def test_a_source_that_lost_its_references_asks_only_while_packets_come() -> None:
    journey, video, audio = scene(repairs=False)
    source = next(each for each in journey.receiver.sources if each.kind is Kind.VIDEO)
    journey.run(1000)
    assert not source.needs_keyframe(journey.now, limits.LOSS_PATIENCE), "it has not even begun"
    sent = both(video, audio, 1)
    journey.play(sent)
    journey.run(100)
    assert not source.needs_keyframe(journey.now, limits.LOSS_PATIENCE)
    journey.loss = 1.0
    journey.play(both(video, audio, 0.1, NS_PER_S))
    journey.loss = 0.0
    more = [(track, frame) for track, frame in both(video, audio, 1, NS_PER_S) if not frame.keyframe or track is audio]
    journey.play([(track, frame.at(pts=frame.pts - NS_PER_S, dts=0)) for track, frame in more])
    assert source.needs_keyframe(journey.now, limits.LOSS_PATIENCE)
    journey.run(int(limits.LAYER_SILENCE // NS_PER_MS) + 100)
    assert not source.needs_keyframe(journey.now, limits.LOSS_PATIENCE), "nobody is there to ask"


def test_times_rise_over_the_wrap_of_the_clock_and_sound_stays_with_its_picture() -> None:
    journey, video, audio = scene(video_skew=3 * NS_PER_S, audio_skew=-7 * NS_PER_S)
    journey.play(both(video, audio, 5))
    journey.run(100)
    for kind in Kind.VIDEO, Kind.AUDIO:
        stamps = [frame.pts for frame in journey.frames if frame.track.kind is kind]
        assert len(stamps) > 100
        assert all(0 < after - before < 60 * NS_PER_MS for before, after in pairwise(stamps))
    last = {frame.track.kind: frame for frame in journey.frames}
    picture, sound = last[Kind.VIDEO], last[Kind.AUDIO]
    assert abs((picture.pts - sound.pts) - (picture.captured - sound.captured)) < NS_PER_MS
    assert abs(picture.captured - sound.captured) < 50 * NS_PER_MS


def test_sound_that_arrives_late_is_moved_to_its_picture() -> None:
    """The network holds sound up by 80 ms; the reports tell that, and it is placed where it belongs."""
    journey, video, audio = scene()
    sent = both(video, audio, 6)
    late = [(track, frame, frame.pts + (80 * NS_PER_MS if track is audio else 0)) for track, frame in sent]
    start = journey.now
    journey.tracks = [video, audio]
    for track, frame, at in sorted(late, key=lambda item: item[2]):
        journey.run(max(0, (start + at - journey.now) // NS_PER_MS))
        for wire in track.packetise(frame):
            journey.send(wire)
        if frame.keyframe and track is video:
            for each in (video, audio):
                journey.send(rtcp.build(each.report(frame.pts)), report=True)
    journey.run(100)
    pairs = [frame for frame in journey.frames if frame.captured]
    video_frame = next(frame for frame in reversed(pairs) if frame.track.kind is Kind.VIDEO)
    audio_frame = next(frame for frame in reversed(pairs) if frame.track.kind is Kind.AUDIO)
    off = (video_frame.pts - audio_frame.pts) - (video_frame.captured - audio_frame.captured)
    assert abs(off) <= 5 * NS_PER_MS


@pytest.mark.parametrize(("sequence", "ticks"), [(100, 5_000_000), (65_300, 0xFFFF_FF00), (3, 0)])
def test_a_sender_that_starts_its_track_anew_is_followed(sequence: int, ticks: int) -> None:
    journey, video, audio = scene()
    first = both(video, audio, 2)
    journey.play(first)
    journey.run(100)
    again = SentTrack(MEDIA["video"], Numbers(9000), ssrc=0x5151, sequence=sequence, ticks=ticks)
    journey.tracks.remove(video)
    before = len(journey.frames)
    second = both(again, audio, 4, 2 * NS_PER_S)[: len(both(again, audio, 2))]
    anew = [(track, frame.at(pts=frame.pts - 2 * NS_PER_S, dts=0)) for track, frame in second]
    journey.play(anew[:2])
    for wire in video.packetise(
        next(frame for frame in CLIP.frames if frame.keyframe and frame.track.kind is Kind.VIDEO)
    ):
        journey.send(wire)
    journey.play(anew[2:])
    journey.run(300)
    came = pictures(journey.frames[before:])
    assert came == pictures([frame for _, frame in second])
    stamps = [frame.pts for frame in journey.frames if frame.track.kind is Kind.VIDEO]
    assert max(after - before for before, after in pairwise(stamps[-50:])) < 60 * NS_PER_MS
    source = next(each for each in journey.receiver.sources if each.kind is Kind.VIDEO)
    assert source.ssrc == 0x5151, "a packet of the track before does not bring it back"


def test_probes_of_padding_leave_no_gap() -> None:
    journey, video, audio = scene()
    sent = both(video, audio, 2)
    journey.tracks = [video, audio]
    for track, frame in sent:
        journey.play([(track, frame.at(pts=33 * NS_PER_MS, dts=0))])
        journey.send(video.padding(frame.pts))
    journey.run(300)
    assert len(pictures(journey.frames)) == len(_video(sent))
    assert journey.heard(Nack) == []


def test_payload_types_that_were_not_agreed_are_left_out_but_told() -> None:
    journey, video, audio = scene()
    ids = dict(MEDIA["video"].extensions)
    number = ids["http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"]
    journey.play(both(video, audio, 1))
    before = len(journey.frames)
    for index in range(20):
        journey.send(
            rtp.build(RtpPacket(55, index, 0, 0x99, b"x" * 50, extensions=((number, (2000 + index).to_bytes(2)),)))
        )
    journey.run(200)
    assert len(journey.frames) == before + len(journey.frames[before:])
    told = [each for each in journey.heard(TransportFeedback) if isinstance(each, TransportFeedback)]
    last = told[-1]
    assert last.first + len(last.deltas) == 2020, "the sender's estimate needs them"


@settings(max_examples=120)
@given(data=st.binary(max_size=80), rtcp_too=st.booleans())
def test_rubbish_never_raises(data: bytes, rtcp_too: bool) -> None:
    receiver = RtpReceiver(tuple(MEDIA.values()), 77)
    for first in (data, b"\x80\x66" + data, b"\x90\xe6" + data, b"\x90\x67" + data, b"\x80\x6f" + data):
        receiver.receive(first, NS_PER_S)
        if rtcp_too:
            receiver.heard(first, NS_PER_S)
            receiver.heard(b"\x80\xc8" + data, NS_PER_S)
    receiver.wake(2 * NS_PER_S)
    receiver.asks(2 * NS_PER_S)
    receiver.report(2 * NS_PER_S)
    receiver.arrivals()
    assert receiver.malformed >= 0


def test_damaged_packets_of_a_real_stream_never_raise() -> None:
    dice = random.Random(5)
    journey, video, audio = scene()
    for track, frame in both(video, audio, 4):
        for wire in track.packetise(frame):
            hurt = bytearray(wire)
            if dice.random() < 0.3:
                hurt[dice.randrange(len(hurt))] ^= 1 << dice.randrange(8)
            journey.send(bytes(hurt[: dice.randrange(1, len(hurt))] if dice.random() < 0.05 else hurt))
        journey.run(10)
    journey.run(500)
    assert len(journey.frames) > 50


def test_feedback_and_reports_come_at_their_intervals_and_others_read_them() -> None:
    journey, video, audio = scene(seed=3, loss=0.1)
    journey.repairs = False
    journey.play(both(video, audio, 5))
    times: dict[str, list[int]] = {"feedback": [], "report": []}
    for at, data in journey.said:
        parsed = OtherRtcp.parse(data)
        for ours, other in zip(rtcp.parse(data), parsed, strict=True):
            if isinstance(ours, TransportFeedback):
                times["feedback"].append(at)
                assert isinstance(other, RtcpRtpfbPacket)
            elif isinstance(ours, ReceiverReport):
                times["report"].append(at)
                assert isinstance(other, RtcpRrPacket)
                assert [_block(each) for each in other.reports] == [
                    (each.ssrc, each.fraction_lost, each.lost) for each in ours.blocks
                ]
            elif isinstance(ours, Nack):
                assert isinstance(other, RtcpRtpfbPacket)
                assert tuple(other.lost) == ours.sequences
    assert set(_steps(times["feedback"])) <= {limits.RTP_TICK, 2 * limits.RTP_TICK}
    assert set(_steps(times["report"])) == {limits.RTCP_INTERVAL}
    last = [each for each in journey.heard(ReceiverReport) if isinstance(each, ReceiverReport)][-1]
    assert {each.ssrc for each in last.blocks} == {video.ssrc, audio.ssrc}
    assert all(each.lost > 0 for each in last.blocks)
    assert all(each.last_report for each in last.blocks)
    told = [each for each in journey.heard(TransportFeedback) if isinstance(each, TransportFeedback)]
    assert 0.05 < sum(each.lost for each in told) / sum(len(each.deltas) for each in told) < 0.15
    for before, after in pairwise(told):
        assert after.first == before.first + len(before.deltas) & 0xFFFF
        assert after.number == before.number + 1 & 0xFF


def _block(report: RtcpReceiverInfo) -> tuple[int, int, int]:
    return report.ssrc, report.fraction_lost, report.packets_lost


def _steps(times: list[int]) -> list[int]:
    return [after - before for before, after in itertools.pairwise(times)]


def test_keyframes_are_asked_for_by_pli_and_by_fir_with_rising_numbers() -> None:
    journey, video, audio = scene()
    receiver = journey.receiver
    assert receiver.keyframe_request(receiver.sources, full_intra=False) == b"", "nobody is there yet"
    journey.play(both(video, audio, 0.2))
    journey.run(50)
    assert rtcp.parse(receiver.keyframe_request(receiver.sources, full_intra=False)) == (Pli(77, video.ssrc),)
    for number in (1, 2):
        asked = rtcp.parse(receiver.keyframe_request(receiver.sources, full_intra=True))
        assert asked == (Fir(77, ((video.ssrc, number),)),)


def test_a_goodbye_lets_the_ssrc_be_used_for_something_else() -> None:
    journey, video, audio = scene()
    journey.play(both(video, audio, 0.5))
    journey.receiver.heard(rtcp.build(Bye((video.ssrc,))), journey.now)
    journey.run(100)
    before = len(journey.frames)
    journey.play(both(video, audio, 0.5))
    journey.run(100)
    assert len(journey.frames) > before


def test_an_ssrc_of_zero_is_one_like_any_other() -> None:
    journey, _, audio = scene()
    video = SentTrack(MEDIA["video"], Numbers())
    video.ssrc = 0
    sent = both(video, audio, 1)
    journey.play(sent)
    journey.run(100)
    assert pictures(journey.frames) == pictures([frame for _, frame in sent])
