"""The declarative topology: the same model in YAML, in Python and as a JSON Schema."""

from arcly_actors.topology.application import Application, GopCache, Hls, SrtSecurity, Subscriber
from arcly_actors.topology.endpoints import (
    Endpoints,
    Http,
    IceServer,
    Rtmp,
    Rtmps,
    Rtsp,
    Rtsps,
    RtspUser,
    Srt,
    UdpPorts,
    WebRtc,
)
from arcly_actors.topology.faults import TopologyError, TopologyFault
from arcly_actors.topology.injection import Fault
from arcly_actors.topology.model import Backoff, Limits, Supervision, Topology, json_schema
from arcly_actors.topology.recordings import Recording
from arcly_actors.topology.sinks import Sink
from arcly_actors.topology.sources import Source
from arcly_actors.topology.tls import Tls
from arcly_actors.topology.values import Address, duration, size

__all__ = [
    "Address",
    "Application",
    "Backoff",
    "Endpoints",
    "Fault",
    "GopCache",
    "Hls",
    "Http",
    "IceServer",
    "Limits",
    "Recording",
    "Rtmp",
    "Rtmps",
    "Rtsp",
    "RtspUser",
    "Rtsps",
    "Sink",
    "Source",
    "Srt",
    "SrtSecurity",
    "Subscriber",
    "Supervision",
    "Tls",
    "Topology",
    "TopologyError",
    "TopologyFault",
    "UdpPorts",
    "WebRtc",
    "duration",
    "json_schema",
    "size",
]
