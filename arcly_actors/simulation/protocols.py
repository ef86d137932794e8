"""Which protocols are simulated, and how often each is chosen: the one table to add a peer to."""

from collections.abc import Mapping

from arcly_actors.simulation.feed import FeedPublisher
from arcly_actors.simulation.hls import HlsViewer
from arcly_actors.simulation.http import FlvViewer, TsViewer
from arcly_actors.simulation.inside import InsidePublisher, InsideViewer
from arcly_actors.simulation.peer import PublishingPeer, ViewingPeer
from arcly_actors.simulation.rtmp import RtmpPublisher, RtmpViewer
from arcly_actors.simulation.rtsp import RtspPublisher, RtspViewer
from arcly_actors.simulation.rtsp_udp import RtspUdpPublisher, RtspUdpViewer
from arcly_actors.simulation.srt import SrtPublisher, SrtViewer
from arcly_actors.simulation.whep import WhepViewer
from arcly_actors.simulation.whip import WhipPublisher

PUBLISHERS: Mapping[type[PublishingPeer], float] = {
    RtmpPublisher: 3,
    RtspPublisher: 2,
    RtspUdpPublisher: 2,
    SrtPublisher: 2,
    FeedPublisher: 3,
    InsidePublisher: 2,
    WhipPublisher: 3,
}
VIEWERS: Mapping[type[ViewingPeer], float] = {
    RtmpViewer: 3,
    RtspViewer: 2,
    RtspUdpViewer: 2,
    FlvViewer: 2,
    TsViewer: 2,
    HlsViewer: 2,
    SrtViewer: 2,
    InsideViewer: 2,
    WhepViewer: 4,
}
