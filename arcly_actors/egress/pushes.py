"""Which push sends to which URL: one row per scheme."""

from collections.abc import Mapping
from functools import partial

from arcly_actors.egress.push import PushFactory
from arcly_actors.egress.rtmp_push import RtmpPush
from arcly_actors.egress.rtsp_push import RtspPush
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.egress.whip_push import WhipPush
from arcly_actors.renditions import Renditions

SCHEMES = frozenset({"rtmp", "rtmps", "rtsp", "rtsps", "whip:http", "whip:https"})
"""What can be pushed to."""


def push_factories(renditions: Renditions, places: WhepPlaces) -> Mapping[str, PushFactory]:
    """Each scheme's factory. `renditions` make a stream fit for the target, `places` is what WebRTC viewers share."""
    rtmp, whip = partial(RtmpPush.start, renditions=renditions), partial(WhipPush.start, places=places)
    rtsp = RtspPush.start
    return {"rtmp": rtmp, "rtmps": rtmp, "rtsp": rtsp, "rtsps": rtsp, "whip:http": whip, "whip:https": whip}
