"""A pull of a transport stream that is sent over UDP: our own demultiplexer, so that nothing is probed."""

from arcly_actors.bus.messages import Ref
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import LoopActor, System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feed_socket import FeedInlet


class _Due:
    """Something is due although nothing came."""


class _Broken:
    """Reading the socket failed, which is this actor's failure."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class UdpPull(LoopActor):
    """See the module and `ingest.pull`: the first programme of what is sent to the URL's address."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._inlet: FeedInlet | None = None
        address = self._address = FeedAddress.parse(request.url.text)
        self._datagrams = TsDatagrams(sources=address.sources, silence=request.stall_ns)
        self._batch: list[tuple[int, TsItem]] = []
        self._timer: Timer | None = None

    def on_start(self) -> None:
        """Bind and join."""
        try:
            self._inlet = FeedInlet(self.system.loop, self._address)
        except ArclyError as error:
            self._fail(str(error))
            return
        self._inlet.start(self._wake)

    def on_stop(self) -> None:
        """Leave."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._close()

    def _close(self) -> None:
        if self._inlet is not None:
            self._inlet.close()
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        if self._inlet is None:
            return
        try:
            self._inlet.read(self._deliver)
            self._pass_on()
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this try, visibly, and not the loop
            self._inlet.close()
            notify(self.actor_ref, _Broken(error))

    def _deliver(self, data: bytes, source: str) -> None:
        self._batch += self._datagrams.receive(data, source, self.system.clock.monotonic_ns())

    @receives(_Broken)
    def broken(self, broken: _Broken) -> None:
        """Fail where its owner sees it."""
        raise broken.error

    @receives(KeyframeNeeded)
    def keyframe_needed(self, _: KeyframeNeeded) -> None:
        """There is nobody to ask."""

    @receives(_Due)
    def due(self, _: _Due) -> None:
        """Frames that waited long enough, or silence."""
        self._timer = None
        before = self._datagrams.source
        self._batch += self._datagrams.wake(self.system.clock.monotonic_ns())
        self._pass_on()
        if before and not self._datagrams.source:
            notify(self._owner, PullFailed(f"nothing came for {self._request.stall_ns / 1e9:g} s", stalled=True))
            self.stop_self("silent")

    def _pass_on(self) -> None:
        batch, self._batch = self._batch, []
        frames: list[MediaFrame] = []
        for _, item in batch:
            if isinstance(item, TracksGathered):
                self._tell(frames)
                frames = []
                notify(self._owner, PullTracks(item.tracks))
            elif isinstance(item, MediaFrame):
                frames.append(item)
        self._tell(frames)
        if self._timer is None and (at := self._datagrams.wake_at) is not None:
            self._timer = self.after(max(0, at - self.system.clock.monotonic_ns()), _Due())

    def _tell(self, frames: list[MediaFrame]) -> None:
        if frames:
            notify(self._owner, PullFrames(tuple(frames)))

    def _fail(self, detail: str) -> None:
        notify(self._owner, PullFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
