from dataclasses import replace
from pathlib import Path

from arcly_actors.topology import Topology
from bench.rtsp.case import RtspCase
from bench.rtsp.report import Row, table, verdicts
from bench.rtsp.run import cases
from bench.server import rtsp_topology
from tests.bench.test_report import GOOD


def unmet(transport: str, viewers: int = 500, **changes: object) -> list[str]:
    row = Row(RtspCase(viewers, transport, 20.0), replace(GOOD, **changes), None, 97.0)  # type: ignore[arg-type]  # each test names a field rightly
    return [verdict.target for verdict in verdicts([row]) if not verdict.met]


def test_each_transport_has_its_bound() -> None:
    assert unmet("tcp") == []
    assert unmet("tcp", cpu_ms=0.16) == ["500 viewers over TCP: CPU per viewer-second ≤ 0.15 ms"]
    assert unmet("udp", cpu_ms=0.16) == []
    assert unmet("udp", cpu_ms=0.61) == ["500 viewers over UDP: CPU per viewer-second ≤ 0.6 ms"]
    assert unmet("udp", latency_p95_ms=100.1) == ["500 viewers over UDP: added latency p95 ≤ 100 ms"]


def test_a_few_viewers_are_judged_by_loss_alone() -> None:
    assert unmet("tcp", viewers=50, cpu_ms=9.0) == []
    assert unmet("tcp", viewers=50, failed=1) == ["no viewer loses a packet"]


def test_the_table_tells_the_server_in_floors() -> None:
    row = Row(RtspCase(50, "udp", 20.0), GOOD, replace(GOOD, cpu_ms=0.06), 33.0)
    line = table([row]).splitlines()[-1]
    assert line.startswith("| 50 | UDP | 0.090 | 0.060 @ 33 ms | 1.5 | 9 | 345.00 (345.80) | 47.0 / 96.0 / 99.0 |")
    assert "| 0.090 | – | – |" in table([replace(row, floor=None)])


def test_the_ladder_comes_once_for_each_transport() -> None:
    assert [(case.viewers, case.transport) for case in cases([1, 50], "both", 1.0)] == [
        (1, "tcp"), (50, "tcp"), (1, "udp"), (50, "udp"),
    ]  # fmt: skip
    assert [case.transport for case in cases([1], "udp", 1.0)] == ["udp"]


def test_the_topology_is_one_the_server_takes(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(rtsp_topology(5000, 5001, 500))
    loaded = Topology.load(path)
    assert {name: each.port for name, each in loaded.endpoints.listeners().items()} == {"rtmp": 5000, "rtsp": 5001}
    assert loaded.limits.max_connections > 500
