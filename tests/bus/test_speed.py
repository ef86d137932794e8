"""What the bus may cost. The bounds are several times what is measured, so that a busy machine stays green."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.feed import Feed
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.egress.http_flv import make_chunked_encoder
from arcly_actors.media.frame import MediaFrame
from tests.bus.fan import KEY
from tests.bus.frames import BOTH, video
from tests.runtime.test_speed import FACTOR, seconds

pytestmark = pytest.mark.speed

DELIVERY_S = 0.3e-6
APPEND_S = 15e-6
OBSERVERS, FRAMES = 1000, 500


def test_a_delivery_costs_a_third_of_a_microsecond_per_observer(benchmark: BenchmarkFixture) -> None:
    feed: Feed[MediaFrame] = Feed()
    seen = [0]

    def observe(_: MediaFrame) -> None:
        seen[0] += 1

    for _ in range(OBSERVERS):
        feed.subscribe(observe)
    frame = video(0)
    assert seconds(benchmark, lambda: feed.deliver(frame), per_call=OBSERVERS, rounds=200) < DELIVERY_S * FACTOR
    assert seen[0] % OBSERVERS == 0


@pytest.mark.parametrize("encoders", [0, 1])
def test_an_append_costs_microseconds(benchmark: BenchmarkFixture, encoders: int) -> None:
    channel = Channel(KEY, ApplicationPolicy())
    channel.tracks = BOTH
    for _ in range(encoders):
        channel.encoded("http-flv", make_chunked_encoder)
    frames = [video(40 * number, key=number % 50 == 0, size=10_000) for number in range(FRAMES)]

    def append() -> None:
        for frame in frames:
            channel.append(frame, frame.dts)

    assert seconds(benchmark, append, per_call=FRAMES, rounds=20) < APPEND_S * FACTOR
    assert channel.log.head % FRAMES == 0
