"""The speed that is promised, on a stream made for it: CPU time, so that other work on the machine does not count."""

import pytest

from bench.ts import measure

pytestmark = pytest.mark.speed


def test_a_core_reads_400_megabits_a_second_and_adds_a_frame_at_most() -> None:
    found = measure(20)
    assert found.demux >= 400
    assert found.read >= 400
    assert found.mux >= 400
    assert found.latency_frames <= 1
