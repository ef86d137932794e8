"""The publisher of packets: what receives RTP, whoever asked for it, and answers with reports."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.ingest.publisher import Publisher, Publishing
from arcly_actors.ingest.rtp_tracks import Learnt, RtpTracks
from arcly_actors.protocols.rtsp.description import Medium
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived
from arcly_actors.runtime import System, receives


@dataclass(frozen=True, slots=True)
class _Report:
    """It is time for receiver reports."""


@dataclass(frozen=True, slots=True)
class _Settle:
    """It is time to give up what was waited for."""


class RtpPublisher(Publisher):
    """Takes `PacketsReceived` once `begin` has been called."""

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref) -> None:
        super().__init__(system, bus, publishing, owner)
        self._ssrc = int.from_bytes(system.entropy.random_bytes(4))
        self._rtp: RtpTracks | None = None
        self._settling = False

    def begin(self, media: Iterable[Medium], *, reorder: bool) -> None:
        """These media come; `reorder` when they may come out of order."""
        if self._rtp is None:
            self._rtp = RtpTracks(media, self._ssrc, "arcly_actors", reorder=reorder)
            self.after(limits.RTSP_REPORT_INTERVAL, _Report())

    def send_reports(self, packets: tuple[Packet, ...]) -> None:
        """Send receiver reports the way the media came; each protocol has its own."""

    @receives(PacketsReceived)
    def packets_received(self, received: PacketsReceived) -> None:
        """Pass on what they complete."""
        if self._rtp is not None:
            self._pass_on(self._rtp.receive(received.packets, self.system.clock.monotonic_ns()))

    @receives(_Settle)
    def settle(self, _: _Settle) -> None:
        """Look at what waits."""
        self._settling = False
        if self._rtp is not None:
            self._pass_on(self._rtp.wake(self.system.clock.monotonic_ns()))

    @receives(_Report)
    def report(self, _: _Report) -> None:
        """Tell the sender how we receive it."""
        if self._rtp is not None:
            self.send_reports(self._rtp.reports(self.system.clock.monotonic_ns()))
            self.after(limits.RTSP_REPORT_INTERVAL, _Report())

    def _pass_on(self, items: Learnt) -> None:
        for item in items:
            if isinstance(item, TracksLearnt):
                self.announce(item.tracks)
            else:
                self.push(item)
        at = self._rtp.wake_at if self._rtp is not None else None
        if at is not None and not self._settling:
            self._settling = True
            self.after(max(at - self.system.clock.monotonic_ns(), 0), _Settle())
