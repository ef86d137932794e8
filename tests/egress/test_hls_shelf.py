"""What the shelf keeps and lists."""

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_policy import Container, HlsPolicy
from arcly_actors.egress.hls_shelf import Shelf, Shelved
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from tests.egress.hls_scene import Listing

AUDIO = Track(1, CodecId.AAC, b"\x11\x90", sample_rate=48000, channels=2)


def shelved(number: int, *, epoch: int = 10, seconds: float = 2.0, size: int = 1000) -> Shelved:
    discontinuity = number == epoch != 10
    return Shelved(number, epoch, discontinuity, (AUDIO,), int(seconds * NS_PER_S), 0, 0, bytes(size))


def test_nothing_is_playable_before_enough_segments() -> None:
    shelf = Shelf(HlsPolicy(ready=2))
    assert not shelf.ready
    shelf.add(shelved(10), b"init")
    assert not shelf.ready
    shelf.add(shelved(11), b"init")
    assert shelf.ready


def test_an_ended_stream_is_playable_with_whatever_there_is() -> None:
    shelf = Shelf(HlsPolicy(ready=3))
    shelf.add(shelved(10), b"init")
    shelf.ended = True
    assert shelf.ready
    assert Listing(shelf.media()).ended


def test_the_window_slides_and_keeps_as_many_behind_it() -> None:
    shelf = Shelf(HlsPolicy(window=3))
    for number in range(10, 20):
        shelf.add(shelved(number), b"init")
    listing = Listing(shelf.media())
    assert listing.sequence == 17
    assert listing.segments == ["segment-17.m4s", "segment-18.m4s", "segment-19.m4s"]
    assert [number for number in range(10, 20) if shelf.segment(number) is not None] == [14, 15, 16, 17, 18, 19]
    assert shelf.size == 6 * 1000 + len(b"init")


def test_epochs_have_their_own_init_and_leave_together_with_it() -> None:
    shelf = Shelf(HlsPolicy(window=3))
    for number in range(10, 13):
        shelf.add(shelved(number), b"one")
    for number in range(13, 18):
        shelf.add(shelved(number, epoch=13), b"two")
    assert (shelf.init(10), shelf.init(13)) == (b"one", b"two")
    listing = Listing(shelf.media())
    assert (listing.discontinuities, listing.inits) == (0, ["init-13.mp4"])
    assert listing.value("#EXT-X-DISCONTINUITY-SEQUENCE") == "1"
    shelf.add(shelved(18, epoch=13), b"two")
    assert shelf.init(10) is None
    assert shelf.size == 6 * 1000 + 3


def test_a_lost_segment_leaves_no_hole_in_the_sequence() -> None:
    shelf = Shelf(HlsPolicy())
    shelf.add(shelved(10), b"one")
    shelf.add(shelved(12, epoch=12), b"two")
    listing = Listing(shelf.media())
    assert (listing.sequence, listing.segments) == (10, ["segment-10.m4s", "segment-12.m4s"])
    assert listing.discontinuities == 1


def test_the_target_duration_only_grows() -> None:
    shelf = Shelf(HlsPolicy(window=2))
    targets = []
    for number, seconds in enumerate((2.0, 2.4, 6.5, 2.0, 2.0, 2.0), 10):
        shelf.add(shelved(number, seconds=seconds), b"init")
        targets.append(Listing(shelf.media()).target)
    assert targets == sorted(targets)
    assert targets[:2] == [2, 2]
    assert targets[-1] >= 6


def test_bytes_are_bounded_even_against_the_window() -> None:
    shelf = Shelf(HlsPolicy(window=4, shelf_bytes=2500))
    for number in range(10, 20):
        shelf.add(shelved(number), b"init")
    listing = Listing(shelf.media())
    assert (listing.sequence, len(listing.segments)) == (18, 2)
    assert shelf.cut_short == 8
    assert shelf.size <= 2500


def test_one_segment_stays_however_large() -> None:
    shelf = Shelf(HlsPolicy(shelf_bytes=10))
    shelf.add(shelved(10), b"init")
    assert Listing(shelf.media()).segments == ["segment-10.m4s"]


def test_bit_rates_are_measured_without_splinters() -> None:
    shelf = Shelf(HlsPolicy(container=Container.MPEGTS))
    shelf.add(shelved(10, size=1000), b"")
    shelf.add(shelved(11, size=3000), b"")
    shelf.add(shelved(12, size=3000, seconds=0.1), b"")
    master = shelf.master()
    assert "BANDWIDTH=12000,AVERAGE-BANDWIDTH=8000," in master
    assert 'CODECS="mp4a.40.2"' in master
    assert "FRAME-RATE" not in master
    assert "EXT-X-MAP" not in shelf.media()
