"""An actor that receives one transport stream in datagrams: what the endpoint's ports and the pulls have in common."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.runtime import LoopActor, System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.seams import Remote, Source
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feeds import Inlet, open_feed

OpenInlet = Callable[[FeedAddress], Inlet]
"""Binds a socket and joins its group."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something is due although nothing came."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Reading the socket failed, which is the actor's failure."""

    error: Exception


class TsReceiver(LoopActor):
    """Reads `datagrams` in the socket's own callback; what comes of them is given to `take` in batches. Tapes know them
    as those of `name`, and of the source `remote`.
    """

    def __init__(
        self,
        system: System,
        address: FeedAddress,
        datagrams: TsDatagrams,
        open_inlet: OpenInlet | None = None,
        name: str = "",
        remote: Remote | None = None,
    ) -> None:
        super().__init__(system)
        self._address = address
        self._datagrams = datagrams
        self._open = open_inlet or partial(open_feed, system, on=name, heard=self._heard, remote=remote)
        self._inlet: Inlet | None = None
        self._batch: list[tuple[int, TsItem]] = []
        self._timer: Timer | None = None

    def take(self, items: list[tuple[int, TsItem]]) -> None:
        """(programme, item) in order."""
        raise NotImplementedError

    def fell_silent(self) -> None:
        """Nobody sends any more; everything of the stream has been taken."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Bind and join; AddressUnavailable is the actor's failure."""
        self._inlet = self._open(self._address)
        self._inlet.start(self._wake)

    def on_stop(self) -> None:
        """Leave."""
        self.let_go()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self.let_go()

    def let_go(self) -> None:
        """Nothing of it outlives it."""
        if self._inlet is not None:
            self._inlet.close()
            self.system.seams.closed(self._inlet)
        if self._timer is not None:
            self._timer.cancel()

    @receives(Broken)
    def broken(self, broken: Broken) -> None:
        """Fail where the supervisor or owner sees it."""
        raise broken.error

    @receives(Due)
    def due(self, _: Due) -> None:
        """Frames that waited long enough, or silence."""
        self._timer = None
        before = self._datagrams.source
        self._batch += self._datagrams.wake(self.system.clock.monotonic_ns())
        self._pass_on()
        if before and not self._datagrams.source:
            self.fell_silent()

    def _heard(self) -> Iterable[Source]:
        return [(self._datagrams.source, 0)] if self._datagrams.source else ()

    def _wake(self) -> None:
        if self._inlet is None:
            return
        try:
            self._inlet.read(self._deliver)
            self._pass_on()
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this stream, visibly, and not the loop
            self._inlet.close()
            notify(self.actor_ref, Broken(error))

    def _deliver(self, data: bytes, source: str) -> None:
        self._batch += self._datagrams.receive(data, source, self.system.clock.monotonic_ns())

    def _pass_on(self) -> None:
        batch, self._batch = self._batch, []
        self.take(batch)
        if self._timer is None and (at := self._datagrams.wake_at) is not None:
            self._timer = self.after(max(0, at - self.system.clock.monotonic_ns()), Due())
