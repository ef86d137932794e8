"""RTSP publish: the packets that a peer RECORDs to frames of one stream."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.ingest.publisher import Publisher, Publishing
from arcly_actors.ingest.rtp import ReportDue, RtpReception, SettleDue
from arcly_actors.ingest.rtp_tracks import Learnt
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived, RecordStarted
from arcly_actors.protocols.rtsp.transport import Lower
from arcly_actors.runtime import System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class ReportsDue:
    """To the owner: send these to the peer, each the way its medium goes."""

    packets: tuple[Packet, ...]


class RtspPublisher(Publisher):
    """The publisher actor of an RTSP connection that ANNOUNCEd `description`."""

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref, description: Description) -> None:
        super().__init__(system, bus, publishing, owner)
        self._description = description
        self._reception: RtpReception | None = None

    @receives(RecordStarted)
    def record_started(self, started: RecordStarted) -> None:
        """The media that were set up are on their way; a RECORD after a PAUSE goes on with them."""
        if self._reception is not None:
            return
        chosen = {setup.medium for setup in started.setups}
        with self.system.seams.drawing_for(self._publishing.key):
            ssrc = int.from_bytes(self.system.entropy.random_bytes(4))
        self._reception = RtpReception(
            self,
            (medium for medium in self._description.media if medium.index in chosen),
            ssrc=ssrc,
            reorder=any(setup.transport.lower is Lower.UDP for setup in started.setups),
            learnt=self._pass_on,
            report=self._send_reports,
        )

    @receives(PacketsReceived)
    def packets_received(self, received: PacketsReceived) -> None:
        """Pass on what they complete."""
        if self._reception is not None:
            self._reception.receive(received.packets)

    @receives(SettleDue, ReportDue)
    def due(self, due: SettleDue | ReportDue) -> None:
        """Time has passed."""
        if self._reception is not None:
            self._reception.settle() if isinstance(due, SettleDue) else self._reception.report()

    def _pass_on(self, items: Learnt) -> None:
        for item in items:
            if isinstance(item, TracksLearnt):
                self.announce(item.tracks)
            else:
                self.push(item)

    def _send_reports(self, packets: tuple[Packet, ...]) -> None:
        notify(self._owner, ReportsDue(packets))
