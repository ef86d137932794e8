"""The benchmark itself, small: three viewers of the real server, in its own process, lose nothing."""

import sys

import pytest

from bench.case import Case, measure_server
from bench.rtmp import prepare_bench

pytestmark = pytest.mark.interop

SERVER = [sys.executable, "-m", "arcly_actors", "run", "{topology}"]


def test_three_viewers_get_every_byte() -> None:
    case = Case(viewers=3, flush_ms=38.0, latency_class=40, seconds=3.0)
    measured = measure_server(case, prepare_bench([case], SERVER))
    assert measured.lossless, measured.first_error
    assert measured.joined == 3
    assert measured.frames >= 3 * 3 * 25
    assert measured.delivered_mbs == pytest.approx(measured.expected_mbs, rel=0.25)  # 3 s are one and a half GOPs
    assert measured.cpu_ms > 0
    assert measured.first_keyframe_max_ms is not None
