"""Which push sends to which URL: one row per scheme."""

from collections.abc import Mapping
from functools import partial

from arcly_actors.egress.push import PushFactory
from arcly_actors.egress.rtmp_push import RtmpPush
from arcly_actors.egress.rtsp_push import RtspPush
from arcly_actors.egress.srt_push import SrtPush
from arcly_actors.egress.udp_push import UdpPush
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.egress.whip_push import WhipPush
from arcly_actors.renditions import Renditions

SCHEMES = frozenset({"rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "udp", "whip:http", "whip:https"})
"""What can be pushed to."""


def push_factories(renditions: Renditions, places: WhepPlaces) -> Mapping[str, PushFactory]:
    """Each scheme's factory. `renditions` make a stream fit for the target, `places` is what WebRTC viewers share."""
    udp, whip = partial(UdpPush.start, renditions=renditions), partial(WhipPush.start, places=places)
    return {
        **dict.fromkeys(("rtmp", "rtmps"), partial(RtmpPush.start, renditions=renditions)),
        **dict.fromkeys(("rtsp", "rtsps"), RtspPush.start),
        "srt": partial(SrtPush.start, renditions=renditions),
        **dict.fromkeys(("udp", "rtp"), udp),
        **dict.fromkeys(("whip:http", "whip:https"), whip),
    }
