"""arcly_actors: an actor-model reactive live-media streaming runtime.

``import arcly_actors as arcly`` and begin with `arcly.Engine`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from arcly_actors.errors import (
    AddressUnavailable,
    ArclyError,
    ConfigurationError,
    Malformed,
    PeerLimit,
    PeerViolation,
    Refusal,
    Refused,
)
from arcly_actors.version import VERSION

if TYPE_CHECKING:
    from arcly_actors.bus.policy import Conflict, Join
    from arcly_actors.engine import Engine
    from arcly_actors.ingest.in_process import PublishHandle
    from arcly_actors.media.codec import CodecId, Kind
    from arcly_actors.media.frame import MediaFrame, Track
    from arcly_actors.stream import Stream
    from arcly_actors.threaded import ThreadedEngine
    from arcly_actors.topology import Topology
    from arcly_actors.topology.remotes import SinkHandle, SourceHandle

__version__ = VERSION

# Imported when first used: together they take half a second, which `arcly --version` and `--help` would take, too.
_PLACES: Final = {
    "Conflict": "bus.policy",
    "Join": "bus.policy",
    "Engine": "engine",
    "PublishHandle": "ingest.in_process",
    "SinkHandle": "topology.remotes",
    "SourceHandle": "topology.remotes",
    "CodecId": "media.codec",
    "Kind": "media.codec",
    "MediaFrame": "media.frame",
    "Track": "media.frame",
    "Stream": "stream",
    "ThreadedEngine": "threaded",
    "Topology": "topology",
}


def __getattr__(name: str) -> object:
    """Import a public name's module (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})


__all__ = [
    "AddressUnavailable",
    "ArclyError",
    "CodecId",
    "ConfigurationError",
    "Conflict",
    "Engine",
    "Join",
    "Kind",
    "Malformed",
    "MediaFrame",
    "PeerLimit",
    "PeerViolation",
    "PublishHandle",
    "Refusal",
    "Refused",
    "SinkHandle",
    "SourceHandle",
    "Stream",
    "ThreadedEngine",
    "Topology",
    "Track",
    "__version__",
]
