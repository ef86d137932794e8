"""A pull of a transport stream that is sent over UDP: our own demultiplexer, so that nothing is probed."""

from dataclasses import dataclass

from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_receiver import TsReceiver
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.datagram_dial import may_listen
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.feed_address import FeedAddress


@dataclass(frozen=True, slots=True)
class _Asked:
    failed: DialFailed | None


class UdpPull(TsReceiver):
    """See the module and `ingest.pull`: the first programme of what is sent to the URL's address."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        address = FeedAddress.parse(request.url.text)
        datagrams = TsDatagrams(sources=address.sources, silence=request.stall_ns)
        super().__init__(system, address, datagrams, None, "udp" if request.remote is not None else "", request.remote)
        self._request = request
        self._owner = owner

    def on_start(self) -> None:
        """Ask whether to listen."""
        address = self._address
        self.spawn(may_listen(self.system, address.host, address.port, self._request.remote), then=_Asked)

    @receives(_Asked)
    def asked(self, asked: _Asked) -> None:
        """Bind and join."""
        if asked.failed is not None:
            self._fail(asked.failed.detail)
            return
        try:
            super().on_start()
        except ArclyError as error:
            self.system.seams.undialled(self._request.remote, str(error))
            self._fail(self._request.url.hidden_from(str(error)))

    @receives(KeyframeNeeded)
    def keyframe_needed(self, _: KeyframeNeeded) -> None:
        """There is nobody to ask."""

    def take(self, items: list[tuple[int, TsItem]]) -> None:
        """Tell the owner."""
        frames: list[MediaFrame] = []
        for _, item in items:
            if isinstance(item, TracksGathered):
                self._tell(frames)
                frames = []
                notify(self._owner, PullTracks(item.tracks))
            elif isinstance(item, MediaFrame):
                frames.append(item)
        self._tell(frames)

    def fell_silent(self) -> None:
        """The try is over."""
        self._fail(f"nothing came for {self._request.stall_ns / NS_PER_S:g} s", stalled=True)

    def _tell(self, frames: list[MediaFrame]) -> None:
        if frames:
            notify(self._owner, PullFrames(tuple(frames)))

    def _fail(self, detail: str, *, stalled: bool = False) -> None:
        notify(self._owner, PullFailed(detail, stalled=stalled))
        self.stop_self(detail)
