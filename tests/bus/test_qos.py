"""A stream's figures."""

from dataclasses import replace

import pytest

from arcly_actors.bus.qos import QosMeter, StreamQos
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from tests.bus.frames import audio, pictures, video


def test_a_window_of_a_steady_stream() -> None:
    meter = QosMeter()
    meter.roll(0)
    for frame in pictures(25, gop=12, size=1000):
        meter.count(replace(frame, payload=bytes(1000), arrival=frame.dts + 7))
    for number in range(50):
        meter.count(replace(audio(20 * number), payload=bytes(100), arrival=20 * number * NS_PER_MS + 3))
    figures = meter.roll(NS_PER_S)
    assert figures == StreamQos(
        bit_rate=8 * 30_000, frame_rate=25, gop_s=0.48, gop_frames=12, jitter_ms=0, frames=75, size=30_000
    )
    assert meter.current == figures


def test_each_window_counts_its_own_rates_and_the_totals_go_on() -> None:
    meter = QosMeter()
    meter.roll(0)
    meter.count(video(0, key=True))
    first = meter.roll(NS_PER_S)
    silent = meter.roll(3 * NS_PER_S)
    assert first.frame_rate == 1
    assert (silent.frame_rate, silent.bit_rate, silent.frames) == (0, 0, 1)


def test_jitter_is_of_arrival_against_time_and_discontinuities_are_none() -> None:
    meter = QosMeter()
    meter.roll(0)
    for number, late in enumerate((0, 16, 0, 0)):
        meter.count(replace(video(40 * number), arrival=(40 * number + late) * NS_PER_MS + 1))
    expected = 0.0
    for change in (16, 16, 0):
        expected += (change - expected) / 16
    meter.count(replace(video(160), arrival=NS_PER_S, discontinuity=True))
    meter.count(replace(video(200), arrival=NS_PER_S + 40 * NS_PER_MS))
    expected += (0 - expected) / 16
    assert meter.roll(NS_PER_S).jitter_ms == pytest.approx(expected)


def test_frames_that_do_not_say_when_they_arrived_have_no_jitter() -> None:
    meter = QosMeter()
    meter.roll(0)
    for frame in pictures(10):
        meter.count(frame)
    assert meter.roll(NS_PER_S).jitter_ms == 0


def test_two_looks_at_the_same_time_are_no_window() -> None:
    meter = QosMeter()
    meter.roll(5)
    meter.count(video(0))
    assert meter.roll(5) == StreamQos()
