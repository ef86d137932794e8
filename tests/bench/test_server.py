from pathlib import Path

import pytest

from arcly_actors.topology import Address, Topology, duration
from bench.rtmp import FLUSH_MS
from bench.server import APPLICATION, topology, webrtc_topology


@pytest.mark.parametrize("flush_ms", [None, *FLUSH_MS.values()])
def test_the_topology_is_one_the_server_takes(tmp_path: Path, flush_ms: float | None) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(topology(5000, 1000, flush_ms))
    loaded = Topology.load(path)
    policy = loaded.applications[APPLICATION].policy(packaged=False)
    assert policy.flush_interval_ns == duration("95ms" if flush_ms is None else f"{flush_ms:g}ms")
    assert loaded.endpoints.listeners() == {"rtmp": Address("127.0.0.1", 5000)}
    assert loaded.limits.max_connections > 1000


def test_the_topology_with_webrtc_is_one_the_server_takes(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(webrtc_topology(5000, 5001, 300))
    listeners = Topology.load(path).endpoints.listeners()
    assert {name: (each.host, each.port) for name, each in listeners.items()} == {
        "rtmp": ("127.0.0.1", 5000),
        "http": ("127.0.0.1", 5001),
        "webrtc": ("127.0.0.1", 0),
    }
