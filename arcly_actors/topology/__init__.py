"""The declarative topology: the same model in YAML, in Python and as a JSON Schema."""

from arcly_actors.topology.application import Application, GopCache, Hls, Subscriber
from arcly_actors.topology.endpoints import Endpoints, Http, Rtmp, Rtmps, Rtsp, Rtsps, RtspUser, UdpPorts
from arcly_actors.topology.faults import TopologyError, TopologyFault
from arcly_actors.topology.model import Backoff, Limits, Supervision, Topology, json_schema
from arcly_actors.topology.tls import Tls
from arcly_actors.topology.values import Address, duration, size

__all__ = [
    "Address",
    "Application",
    "Backoff",
    "Endpoints",
    "GopCache",
    "Hls",
    "Http",
    "Limits",
    "Rtmp",
    "Rtmps",
    "Rtsp",
    "RtspUser",
    "Rtsps",
    "Subscriber",
    "Supervision",
    "Tls",
    "Topology",
    "TopologyError",
    "TopologyFault",
    "UdpPorts",
    "duration",
    "json_schema",
    "size",
]
