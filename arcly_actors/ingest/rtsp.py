"""RTSP publish: the packets that a peer RECORDs to frames of one stream."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.publisher import Publishing
from arcly_actors.ingest.rtp import RtpPublisher
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.events import Packet, RecordStarted
from arcly_actors.protocols.rtsp.transport import Lower
from arcly_actors.runtime import System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class ReportsDue:
    """To the owner: send these to the peer, each the way its medium goes."""

    packets: tuple[Packet, ...]


class RtspPublisher(RtpPublisher):
    """The publisher actor of an RTSP connection that ANNOUNCEd `description`."""

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref, description: Description) -> None:
        super().__init__(system, bus, publishing, owner)
        self._description = description

    @receives(RecordStarted)
    def record_started(self, started: RecordStarted) -> None:
        """The media that were set up are on their way."""
        chosen = {setup.medium for setup in started.setups}
        over_udp = any(setup.transport.lower is Lower.UDP for setup in started.setups)
        self.begin((medium for medium in self._description.media if medium.index in chosen), reorder=over_udp)

    def send_reports(self, packets: tuple[Packet, ...]) -> None:
        """By way of the session, which has the connection."""
        notify(self._owner, ReportsDue(packets))
