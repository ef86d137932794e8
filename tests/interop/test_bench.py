"""The benchmarks themselves, small: a few viewers of the real server, in its own process, lose nothing."""

import sys

import pytest

from bench.case import Case, measure_server
from bench.rtmp import prepare_bench
from bench.rtsp import case as rtsp
from bench.whep import case as whep
from bench.whep import run as whep_run

pytestmark = pytest.mark.interop

SERVER = [sys.executable, "-m", "arcly_actors", "run", "{topology}"]


def test_three_viewers_get_every_byte() -> None:
    case = Case(viewers=3, flush_ms=38.0, latency_class=40, seconds=3.0)
    measured = measure_server(case, prepare_bench(3, SERVER))
    assert measured.lossless, measured.first_error
    assert measured.joined == 3
    assert measured.frames >= 3 * 3 * 25
    assert measured.delivered_mbs == pytest.approx(measured.expected_mbs, rel=0.25)  # 3 s are one and a half GOPs
    assert measured.cpu_ms > 0
    assert measured.first_keyframe_max_ms is not None


@pytest.mark.parametrize(("viewers", "profiles"), [(2, "cm"), (9, "gcm")])
def test_webrtc_viewers_get_every_packet(viewers: int, profiles: str) -> None:
    """Two are decrypted and compared with the clip; of nine, one is only counted (by the C program, if there is one)."""
    case = whep.WhepCase(viewers, 2600, profiles, 1.0)
    measured = whep.measure_server(case, whep_run.prepare_bench(case, SERVER))
    assert measured.lossless, measured.first_error
    assert measured.joined == viewers
    assert measured.frames >= min(viewers, 8) * 25
    assert measured.cpu_ms > 0
    assert measured.first_keyframe_max_ms is not None


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_players_get_every_packet(transport: str) -> None:
    case = rtsp.RtspCase(viewers=3, transport=transport, seconds=1.0)
    bench = prepare_bench(9, SERVER)
    measured = rtsp.measure_server(case, bench)
    assert measured.lossless, measured.first_error
    assert measured.joined == 3
    assert measured.frames >= 3 * 10
    assert measured.cpu_ms > 0
    assert measured.first_keyframe_max_ms is not None
    floor = rtsp.measure_floor(case, 33.0, bench)  # held to the same checks, where there is a compiler
    assert floor is None or (floor.lossless and floor.joined == 3), floor
