"""Which push sends to which URL: one row per scheme."""

from collections.abc import Mapping
from functools import partial

from arcly_actors.egress.push import PushFactory
from arcly_actors.egress.rtmp_push import RtmpPush
from arcly_actors.egress.srt_push import SrtPush
from arcly_actors.egress.udp_push import UdpPush
from arcly_actors.renditions import Renditions

SCHEMES = frozenset({"rtmp", "rtmps", "srt", "udp", "rtp"})
"""What can be pushed to."""


def push_factories(renditions: Renditions | None) -> Mapping[str, PushFactory]:
    """Each scheme's factory. `renditions` make a stream fit for the target; without them it is pushed as it is."""
    rtmp = partial(RtmpPush.start, renditions=renditions)
    udp = partial(UdpPush.start, renditions=renditions)
    srt = partial(SrtPush.start, renditions=renditions)
    return {"rtmp": rtmp, "rtmps": rtmp, "srt": srt, "udp": udp, "rtp": udp}
