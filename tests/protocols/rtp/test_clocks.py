"""Sender clocks, reports, pacing and the viewer's bandwidth, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import PeerLimit
from arcly_actors.media.timebase import MILLISECOND, SECOND
from arcly_actors.protocols.rtp.bandwidth import Delivery, ViewerBandwidth
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.pacing import spread
from arcly_actors.protocols.rtp.payload.unit import RtpChunk
from arcly_actors.protocols.rtp.reporting import ReportBlock, SenderReport
from arcly_actors.protocols.rtp.reports import ReceptionStatistics, round_trip, sender_report
from arcly_actors.protocols.rtp.sender_clock import AvSync, SenderClock, from_ntp, to_ntp

MS = MILLISECOND
WALL = 1_700_000_000 * SECOND


def report(wall: int, ticks: int) -> SenderReport:
    return SenderReport(1, to_ntp(wall), ticks & 0xFFFFFFFF, 0, 0)


@pytest.mark.parametrize("wall", [0, 1, WALL, WALL + 123_456_789, 2_085_978_496 * SECOND, 3_000_000_000 * SECOND])
def test_ntp_there_and_back(wall: int) -> None:
    assert from_ntp(to_ntp(wall)) == wall


def test_ntp_of_1970() -> None:
    assert to_ntp(0) == 2_208_988_800 << 32


def test_a_sender_clock_goes_on_past_thirteen_hours() -> None:
    clock = SenderClock(90000)
    assert clock.wall(0) is None
    for hours in range(0, 60, 5):
        ticks = hours * 3600 * 90000
        clock.heard(report(WALL + hours * 3600 * SECOND, ticks))
        assert clock.wall(ticks + 90000 * 60) == WALL + (hours * 3600 + 60) * SECOND
        assert clock.wall(ticks - 90000 * 60) == WALL + (hours * 3600 - 60) * SECOND


def test_a_report_without_time_says_nothing() -> None:
    clock = SenderClock(90000)
    clock.heard(SenderReport(1, 0, 5, 0, 0))
    assert clock.wall(0) is None


def test_tracks_start_where_they_arrive_and_are_aligned_by_reports() -> None:
    sync = AvSync()
    sync.add(1, 90000)
    sync.add(2, 48000)
    # Captured together at WALL, but the picture took 200 ms longer to get here.
    assert sync.place(2, 48000, 1000 * MS) == 1000 * MS
    assert sync.place(1, 900000, 1200 * MS) == 1200 * MS
    sync.heard(2, report(WALL, 48000))
    assert sync.place(2, 96000, 2000 * MS) == 2000 * MS
    assert sync.place(1, 900000 + 90000, 2200 * MS) == 2200 * MS
    sync.heard(1, report(WALL + 2 * SECOND, 900000 + 180000))
    assert sync.place(1, 900000 + 180000, 3200 * MS) == 3000 * MS
    assert sync.place(2, 48000 * 3, 3000 * MS) == 3000 * MS
    assert sync.wall(1, 900000) == WALL


def test_small_differences_move_nothing_and_drift_is_followed() -> None:
    sync = AvSync()
    sync.add(1, 90000)
    sync.add(2, 48000)
    sync.heard(1, report(WALL, 0))
    sync.heard(2, report(WALL, 0))
    assert sync.place(1, 0, 0) == 0
    assert sync.place(2, 0, 3 * MS) == 3 * MS
    sync.heard(2, report(WALL + 10 * SECOND + 20 * MS, 480000))  # the sound card is 2000 ppm slow
    assert sync.place(1, 900000, 10 * SECOND) == 10 * SECOND
    assert sync.place(2, 480000, 10 * SECOND) == 10 * SECOND + 20 * MS


def test_tracks_are_bounded() -> None:
    sync = AvSync()
    for track in range(limits.SYNC_TRACKS):
        sync.add(track, 90000)
    with pytest.raises(PeerLimit):
        sync.add(99, 90000)


def test_a_block_counts_what_is_missing() -> None:
    statistics = ReceptionStatistics(7, 90000)
    assert statistics.block(0) == ReportBlock(7)
    for sequence in (65534, 65535, 1, 3):
        statistics.received(sequence, 0, 0)
    assert statistics.block(0) == ReportBlock(7, 2 * 256 // 6, 2, 0x10003)
    statistics.received(2, 0, 0)
    statistics.received(4, 0, 0)
    block = statistics.block(0)
    assert (block.fraction_lost, block.lost, block.highest) == (0, 1, 0x10004)


def test_jitter_is_that_of_the_rfc() -> None:
    statistics = ReceptionStatistics(7, 90000)
    expected = 0.0
    for index in range(100):
        late = 10 * (index % 2)
        statistics.received(index, index * 900, (index * 10 + late) * MS)
        if index:
            expected += (900 - expected) / 16  # every transit differs from the one before by 10 ms, 900 ticks
    assert statistics.jitter == pytest.approx(expected, abs=2)


def test_a_clock_that_wraps_is_no_jitter() -> None:
    statistics = ReceptionStatistics(7, 90000)
    for index in range(10):
        statistics.received(index, (2**32 - 4500 + index * 900) % 2**32, index * 10 * MS)
    assert statistics.jitter == 0


def test_the_round_trip_is_what_the_peer_did_not_hold() -> None:
    stream = OutgoingStream(7, 96, 0)
    stream.build([RtpChunk(b"abc")], 0)
    sent = sender_report(stream, WALL, 2**32 + 5)
    assert (sent.ssrc, sent.timestamp, sent.packets, sent.octets) == (7, 5, 1, 3)
    peer = ReceptionStatistics(7, 90000)
    peer.heard(sent, 50 * SECOND)
    block = peer.block(51 * SECOND)
    measured = round_trip(block, WALL + SECOND + 80 * MS)
    assert measured == pytest.approx(80 * MS, abs=MS // 10)
    assert round_trip(ReportBlock(7), WALL) is None
    assert round_trip(block, WALL) is None


def test_an_ordinary_picture_is_not_held() -> None:
    picture = [RtpChunk(bytes(1000))] * 10
    assert spread(picture, 33 * MS) == [picture]


def test_a_keyframe_is_spread_evenly_and_in_order() -> None:
    keyframe = [RtpChunk(index.to_bytes(2) * 500) for index in range(100)]
    parts = spread(keyframe, 33 * MS)
    assert [chunk for part in parts for chunk in part] == keyframe
    assert [len(part) for part in parts] == [49, 49, 2]  # of 1000 bytes, within `limits.PACER_BURST`


@given(size=st.integers(1, 5_000_000), until=st.integers(0, 1000))
def test_a_frame_is_out_before_the_next_one(size: int, until: int) -> None:
    frame = [RtpChunk(bytes(min(1180, size - start))) for start in range(0, size, 1180)]
    parts = spread(frame, until * MS)
    assert [chunk for part in parts for chunk in part] == frame
    assert all(parts)
    assert (len(parts) - 1) * limits.PACER_STEP < max(1, min(until * MS, limits.PACER_DELAY))


def test_loss_degrades_and_quiet_recovers_at_a_keyframe() -> None:
    viewer = ViewerBandwidth(2_000_000)
    for index in range(5):
        viewer.heard_loss(0.3, index * SECOND // 2)
    assert viewer.state is Delivery.KEYFRAMES
    assert not viewer.passes(keyframe=False, now=2 * SECOND)
    assert viewer.passes(keyframe=True, now=2 * SECOND)
    assert not viewer.passes(keyframe=False, now=5 * SECOND)
    assert viewer.passes(keyframe=True, now=5 * SECOND)
    assert viewer.passes(keyframe=False, now=5 * SECOND)
    assert (viewer.state, viewer.degraded) == (Delivery.FULL, 1)


def test_a_viewer_is_back_soon_after_the_loss_ended_however_bad_it_was() -> None:
    viewer, now = ViewerBandwidth(2_000_000), 0
    while now < 20 * SECOND:
        viewer.heard_loss(0.4, now)
        viewer.passes(keyframe=not now % (2 * SECOND), now=now)
        now += SECOND
    assert (viewer.state, viewer.degraded) == (Delivery.KEYFRAMES, 1)
    for _ in range(5):
        viewer.heard_loss(0, now)
        viewer.passes(keyframe=not now % (2 * SECOND), now=now)
        now += SECOND
    assert viewer.open


def congested(viewer: ViewerBandwidth, remb: int, now: int) -> None:
    """What a browser tells whose path has a queue."""
    viewer.heard_round_trip(400 * MS, now)
    viewer.heard_remb(remb, now)


def test_a_short_dip_changes_nothing() -> None:
    viewer = ViewerBandwidth(2_000_000)
    viewer.heard_round_trip(20 * MS, 0)
    viewer.heard_remb(3_000_000, 0)
    congested(viewer, 500_000, 0)
    congested(viewer, 500_000, 900 * MS)
    viewer.heard_remb(3_000_000, 1000 * MS)
    congested(viewer, 500_000, 1100 * MS)
    assert (viewer.state, viewer.estimate) == (Delivery.FULL, 500_000)
    congested(viewer, 510_000, 2100 * MS)
    assert viewer.passes(keyframe=False, now=2100 * MS) is False
    assert viewer.found == 500_000


def test_a_remb_that_lags_behind_a_growing_stream_is_no_congestion() -> None:
    viewer = ViewerBandwidth(300_000)
    for index in range(20):
        viewer.needed = 300_000 + index * 100_000
        viewer.heard_round_trip(20 * MS, index * SECOND)
        viewer.heard_loss(0, index * SECOND)
        viewer.heard_remb(400_000 + index * 30_000, index * SECOND)
    assert viewer.open


def test_a_remb_that_fell_is_not_believed_alone() -> None:
    viewer = ViewerBandwidth(2_000_000)
    for index in range(10):
        viewer.heard_round_trip(20 * MS, index * SECOND)
        viewer.heard_remb(900_000 - index, index * SECOND)
    assert viewer.open
    for index in range(10, 13):
        viewer.heard_loss(0.05, index * SECOND)
        viewer.heard_remb(900_000 - index, index * SECOND)
    assert viewer.state is Delivery.KEYFRAMES


def test_patience_grows_while_recoveries_fail() -> None:
    viewer, now, waits = ViewerBandwidth(2_000_000), 0, []
    for _ in range(6):
        viewer.blocked(now)
        start = now
        while not viewer.passes(keyframe=False, now=now):
            viewer.passes(keyframe=True, now=now)
            now += 500 * MS
        waits.append((now - start) // SECOND)
        now += SECOND
    assert waits == [2, 4, 8, 16, 30, 30]
    viewer.blocked(now + 60 * SECOND)
    assert viewer.passes(keyframe=True, now=now + 62 * SECOND)
    assert viewer.passes(keyframe=False, now=now + 62 * SECOND)
