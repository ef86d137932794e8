"""A sink: it pushes one stream to one target, for as long as its supervisor restarts it.

It waits until the stream is live (the bus tells it), starts a push, and waits again when that ends with the stream.
A push that fails is this actor's failure, so the supervision tree shows it and its policy sets the pace of the tries.
Sinks know nothing of each other, and the stream knows nothing of them but a seat.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import SinkConnected, SinkEnded, SinkFailed
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.push import PushEnded, PushFactory, PushFailed, PushRequest, PushStarted
from arcly_actors.errors import ArclyError
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.tree import figures_of


@dataclass(frozen=True, slots=True)
class _Appeared:
    """The stream is live."""


@dataclass(frozen=True, slots=True)
class _LookForIt:
    """Wait for the stream."""


class SinkBroke(ArclyError):
    """A try of a sink failed; the text says why."""


class Sink(LoopActor):
    """See the module. `push` starts a try."""

    expected_failures = (SinkBroke,)

    def __init__(self, system: System, bus: Bus, request: PushRequest, push: PushFactory) -> None:
        super().__init__(system)
        self._bus = bus
        self._request = request
        self._start_push = push
        self._shown = str(request.url)
        self._push: Ref | None = None

    def on_start(self) -> None:
        """Wait for the stream."""
        self.look_for_it(_LookForIt())

    def on_stop(self) -> None:
        """Nothing of a try outlives it."""
        self._let_go()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._let_go()

    def figures(self) -> Mapping[str, int | float]:
        """What its push counts, for the tree."""
        return figures_of(self._push) if self._push is not None else {}

    def _let_go(self) -> None:
        push, self._push = self._push, None
        if push is not None:
            self.unwatch(push)
            push.stop(block=False)

    @receives(_LookForIt)
    def look_for_it(self, _: _LookForIt) -> None:
        """Have the bus say when it is live."""

        async def wait() -> _Appeared:
            await self._bus.appears(self._request.key)
            return _Appeared()

        self.errand(wait())

    @receives(_Appeared)
    def appeared(self, _: _Appeared) -> None:
        """Push it."""
        self._push = self._start_push(self.system, self._bus, self._request, self.actor_ref)
        self.watch(self._push)

    @receives(PushStarted)
    def started(self, started: PushStarted) -> None:
        """The target takes it."""
        self._bus.events.emit(SinkConnected(self._request.key, self._shown, started.note))

    @receives(PushEnded)
    def ended(self, ended: PushEnded) -> None:
        """Begin again with the next stream of this key, or with the new tracks of this one."""
        self._let_go()
        self._bus.events.emit(SinkEnded(self._request.key, self._shown, ended.reason))
        self.after(limits.SINK_PAUSE, _LookForIt())

    @receives(PushFailed)
    def failed(self, failed: PushFailed) -> None:
        """The try is over: fail, so that the supervisor starts another."""
        raise self._break(failed.detail)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """The push is gone and did not say why: a defect, of which the log tells."""
        if self._push is not None and exited.urn == self._push.actor_urn:
            raise self._break(f"{type(exited.error).__name__} in it" if exited.error else "it stopped") from exited.error

    def _break(self, error: str) -> SinkBroke:
        self._bus.events.emit(SinkFailed(self._request.key, self._shown, error))
        return SinkBroke(f"{self._shown}: {error}")
