"""The reception of RTP by an actor: packets become tracks and frames, some only after a while; reports go back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.ingest.rtp_tracks import Learnt, RtpTracks
from arcly_actors.protocols.rtsp.description import Medium
from arcly_actors.protocols.rtsp.events import Packet
from arcly_actors.runtime import LoopActor


@dataclass(frozen=True, slots=True)
class SettleDue:
    """To the receiving actor itself: call `RtpReception.settle`."""


@dataclass(frozen=True, slots=True)
class ReportDue:
    """To the receiving actor itself: call `RtpReception.report`."""


class RtpReception:
    """Of `media`, for `actor`, which hands on what its timers tell it; `reorder` when packets may come out of order.

    `learnt` is called with what packets complete, `report` now and then with what the sender should be told, by `ssrc`.
    """

    def __init__(
        self,
        actor: LoopActor,
        media: Iterable[Medium],
        *,
        ssrc: int,
        reorder: bool,
        learnt: Callable[[Learnt], None],
        report: Callable[[tuple[Packet, ...]], None],
    ) -> None:
        self._actor = actor
        self._clock = actor.system.clock
        self._tracks = RtpTracks(media, ssrc, "arcly_actors", reorder=reorder)
        self._reorder = reorder
        self._learnt = learnt
        self._report = report
        self._settling = False
        actor.after(limits.RTSP_REPORT_INTERVAL, ReportDue())

    def receive(self, packets: Iterable[Packet]) -> None:
        """Take packets that have just arrived."""
        self._pass_on(self._tracks.receive(packets, self._clock.monotonic_ns()))

    def settle(self) -> None:
        """Give up what was waited for."""
        self._settling = False
        self._pass_on(self._tracks.wake(self._clock.monotonic_ns()))

    def report(self) -> None:
        """Tell the sender how it is received."""
        self._report(self._tracks.reports(self._clock.monotonic_ns()))
        self._actor.after(limits.RTSP_REPORT_INTERVAL, ReportDue())

    def _pass_on(self, items: Learnt) -> None:
        if items:
            self._learnt(items)
        at = self._tracks.wake_at if self._reorder else None
        if at is not None and not self._settling:
            self._settling = True
            self._actor.after(max(at - self._clock.monotonic_ns(), 0), SettleDue())
