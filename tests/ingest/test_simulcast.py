"""Which layer of a simulcast the plain stream shows."""

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.ingest.simulcast import BestLayer
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import learn
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.sender_clock import AvSync
from tests.support.rtp_sending import vp8

SYNC = AvSync()


def layer(rid: str, width: int, number: int) -> RtpSource:
    made = RtpSource(number, "1", rid, CodecId.VP8, SYNC, repairs=False)
    made.track = learn(made.track, vp8(0, key=True, width=width).payload)
    return made


SMALL, MIDDLE, LARGE = layer("q", 320, 0), layer("h", 640, 1), layer("f", 1280, 2)
ALL = (SMALL, MIDDLE, LARGE)


def come(best: BestLayer, source: RtpSource, now: int, *, key: bool = False) -> list[MediaFrame]:
    """A frame of a layer; what of it is shown."""
    source.last_frame = now
    return list(best.pick(source, [vp8(now // 1_000_000, key=key)], now))


def test_the_first_keyframe_opens_and_a_larger_picture_takes_over() -> None:
    best = BestLayer()
    assert come(best, SMALL, 1) == []
    assert come(best, SMALL, 2, key=True) != []
    assert come(best, LARGE, 3) == []
    assert best.wanted(ALL, 3) is LARGE
    assert come(best, LARGE, 4, key=True) != []
    assert best.chosen is LARGE
    assert best.wanted(ALL, 4) is None
    assert come(best, SMALL, 5, key=True) == []
    assert come(best, MIDDLE, 6, key=True) == []
    assert come(best, LARGE, 7) != []


def test_a_layer_that_falls_silent_is_followed_by_the_next_best() -> None:
    best, now = BestLayer(), 10 * NS_PER_S
    come(best, LARGE, now, key=True)
    later = now + limits.LAYER_SILENCE
    come(best, SMALL, later - 1)
    come(best, MIDDLE, later - 1)
    assert best.wanted(ALL, later - 1) is None
    assert best.wanted(ALL, later) is MIDDLE
    assert come(best, MIDDLE, later, key=True) != []
    come(best, LARGE, later + 1)
    assert best.wanted(ALL, later + 1) is LARGE


def test_frames_before_the_keyframe_are_left_out() -> None:
    best = BestLayer()
    frames = [vp8(1), vp8(2, key=True), vp8(3)]
    assert best.pick(SMALL, frames, 3) == frames[1:]


def test_nothing_is_wanted_of_layers_that_never_came() -> None:
    for each in ALL:
        each.last_frame = 0
    assert BestLayer().wanted(ALL, 10 * NS_PER_S) is None
