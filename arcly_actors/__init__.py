"""arcly_actors: an actor-model reactive live-media streaming runtime.

``import arcly_actors as arcly`` and begin with `arcly.Engine`.
"""

from arcly_actors.bus.policy import Conflict, Join
from arcly_actors.engine import Engine
from arcly_actors.errors import (
    ArclyError,
    ConfigurationError,
    Malformed,
    PeerLimit,
    PeerViolation,
    Refusal,
    Refused,
)
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.stream import Stream
from arcly_actors.topology import Topology
from arcly_actors.version import VERSION

__version__ = VERSION

__all__ = [
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
    "Stream",
    "Topology",
    "Track",
    "__version__",
]
