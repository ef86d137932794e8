"""Which protocols are simulated, and how often each is chosen: the one table to add a peer to."""

from collections.abc import Mapping

from arcly_actors.simulation.inside import InsidePublisher, InsideViewer
from arcly_actors.simulation.peer import PublishingPeer, ViewingPeer
from arcly_actors.simulation.rtmp import RtmpPublisher, RtmpViewer

PUBLISHERS: Mapping[type[PublishingPeer], float] = {RtmpPublisher: 3, InsidePublisher: 2}
VIEWERS: Mapping[type[ViewingPeer], float] = {RtmpViewer: 3, InsideViewer: 1}
