"""The scene: which streams there are, and what the engine is told; another one for each seed."""

from typing import Any

from arcly_actors.bus.key import StreamKey
from arcly_actors.simulation.chance import Chance
from arcly_actors.topology import Topology


def scene(chance: Chance) -> tuple[Topology, tuple[StreamKey, ...]]:
    """A topology, and the keys that publishers and viewers know."""
    applications = {name: _application(chance, conflict) for name, conflict in _APPLICATIONS.items()}
    keys = (StreamKey("live", "a"), StreamKey("live", "b"), StreamKey("stage", "a"))
    told: dict[str, Any] = {
        "version": 1,
        "applications": applications,
        "limits": {
            "max_connections": chance.one((12, 40, 10000)),
            "max_publishers": chance.one((2, 100)),
        },
        "supervision": {"backoff": {"first": "200ms", "max": "2s"}},
        "endpoints": {
            "rtmp": {"listen": "127.0.0.1:1935"},
            "rtsp": {"session_timeout": chance.one(("5s", "20s", "60s"))},
            "mpegts": [
                {"listen": "udp://127.0.0.1:1234", "key": "live/b", "silence": chance.one(("1s", "5s"))},
                {"listen": "rtp://127.0.0.1:1236", "key": "stage/a", "silence": chance.one(("1s", "5s"))},
            ],
        },
    }
    return Topology.model_validate(told), keys


_APPLICATIONS = {"live": "reject", "stage": "takeover"}


def _application(chance: Chance, conflict: str) -> dict[str, Any]:
    return {
        "on_conflict": conflict,
        "hold": chance.one(("0s", "500ms", "3s", "10s")),
        "idle_timeout": chance.one(("5s", "10s")),
        "gop_cache": {"frames": chance.one((40, 200, 512)), "duration": chance.one(("2s", "10s"))},
        "subscriber": {"join": chance.weighted({"instant": 4, "live": 1}), "max_lag": chance.one(("2s", "5s"))},
        "flush_interval": chance.one(("0s", "95ms", "300ms")),
        "audio": "passthrough",
        "hls": {
            "format": chance.one(("fmp4", "mpegts")),
            "segment": chance.one(("1s", "2s")),
            "window": chance.one((3, 6)),
            "idle": chance.one(("5s", "30s")),
        },
    }
