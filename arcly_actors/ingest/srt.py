"""SRT publish: the transport stream of one connection to frames of one stream."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.publisher import Publishing
from arcly_actors.ingest.ts import TsItems, TsPublisher
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.protocols.srt.events import Received
from arcly_actors.runtime import System, Timer, receives


@dataclass(frozen=True, slots=True)
class _Wake:
    """Frames wait for a track that may not come."""


class SrtPublisher(TsPublisher):
    """The publisher actor of an SRT connection: the first programme of what comes."""

    media_types = (Received,)

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref) -> None:
        super().__init__(system, bus, publishing, owner)
        self._source = TsSource()
        self._waking: Timer | None = None

    @receives(Received)
    def received(self, event: Received) -> None:
        """Take what came since the last time."""
        data = event.payloads[0] if len(event.payloads) == 1 else b"".join(event.payloads)
        self._pass_on(self._source.receive(data, self.system.clock.monotonic_ns()))

    @receives(_Wake)
    def woken(self, _: _Wake) -> None:
        """Time went by."""
        self._waking = None
        self._pass_on(self._source.wake(self.system.clock.monotonic_ns()))

    def on_stop(self) -> None:
        """The last picture ends with the stream."""
        self._pass_on(self._source.flush(self.system.clock.monotonic_ns()))
        super().on_stop()

    def _pass_on(self, found: Iterable[tuple[int, TsItem]]) -> None:
        items = tuple(item for _, item in found)
        if items:
            self.items(TsItems(items))
        at = self._source.wake_at
        if at is not None and self._waking is None:
            self._waking = self.after(at - self.system.clock.monotonic_ns(), _Wake())
