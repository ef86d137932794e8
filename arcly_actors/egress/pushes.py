"""Which push sends to which URL: one row per scheme."""

from collections.abc import Mapping
from types import MappingProxyType

from arcly_actors.egress.push import PushFactory
from arcly_actors.egress.rtmp_push import RtmpPush

PUSHES: Mapping[str, PushFactory] = MappingProxyType({"rtmp": RtmpPush.start, "rtmps": RtmpPush.start})
"""Each scheme's factory."""
