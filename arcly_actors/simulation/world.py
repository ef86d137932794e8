"""The world: an engine in virtual time, the peers around it, and what must hold."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from arcly_actors.bus.events import (
    Event,
    PublishEnded,
    PublishHeld,
    PublishResumed,
    PublishStarted,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.policy import ApplicationPolicy, Conflict
from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.runtime.exits import Failed
from arcly_actors.runtime.seams import Place
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.tape import Tape
from arcly_actors.simulation.chance import Chance
from arcly_actors.simulation.elsewhere import Elsewhere
from arcly_actors.simulation.invariant import Invariant, Violation
from arcly_actors.simulation.journal import Journal
from arcly_actors.simulation.peer import Peer, PublishingPeer, ViewingPeer
from arcly_actors.transport.addresses import Address


class World:
    """See the module. `chance` decides how peers behave; what they do is decided by the explorer."""

    def __init__(
        self,
        engine: Engine,
        network: ScriptedNetwork,
        clock: VirtualClock,
        chance: Chance,
        keys: Sequence[StreamKey] = (),
    ) -> None:
        self.engine = engine
        self.keys = tuple(keys)
        self.network = network
        self.clock = clock
        self.chance = chance
        self.loop = asyncio.get_running_loop()
        self.started = clock.monotonic_ns()
        self.publishers: list[PublishingPeer] = []
        self.viewers: list[ViewingPeer] = []
        self.journal = Journal(lambda: self.now, self.strange)
        self.invariants: list[Invariant] = []
        self.violations: list[Violation] = []
        self.tape: Tape | None = None
        self.holders: dict[StreamKey, str | None] = {}
        self.counts: dict[str, int] = {}
        self.lossy: set[str] = set()
        self._numbers = 0
        self._full: int | None = None
        self._ended_by_operator: dict[StreamKey, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.elsewhere: Elsewhere | None = None
        self._troubles: dict[StreamKey | None, int] = {}
        self._seen_by: list[Any] = []
        self._hearing: dict[Place, Callable[[bytes], None]] = {}
        network.heard = self._datagram
        engine.events.observable.subscribe(self._happened)
        engine.built.system.failures.subscribe(self._failed)

    @property
    def now(self) -> int:
        """Monotonic ns."""
        return self.clock.monotonic_ns()

    @property
    def elapsed(self) -> int:
        """Virtual ns since the beginning."""
        return self.now - self.started

    def watch_over(self, invariants: list[Invariant]) -> None:
        """Hold the world against these."""
        self.invariants = invariants
        self._seen_by = [each for each in invariants if type(each).saw is not Invariant.saw]

    def number(self) -> int:
        """The next number of a frame."""
        self._numbers += 1
        return self._numbers

    def address(self, door: str) -> Address | None:
        """Where an endpoint listens."""
        found = self.engine.addresses.get(door)
        return found[0] if found else None

    def task(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a peer's coroutine."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def enter(self, peer: Peer) -> None:
        """A peer comes."""
        self.count(f"{peer.protocol} {'publisher' if isinstance(peer, PublishingPeer) else 'viewer'}")
        if isinstance(peer, PublishingPeer):
            self.publishers.append(peer)
        elif isinstance(peer, ViewingPeer):
            self.viewers.append(peer)
        peer.start()

    def note(self, kind: str, fields: Mapping[str, Any], data: bytes | None = None) -> None:
        """Put down on the tape, if there is one, what is done to the engine past its seams."""
        if self.tape is not None:
            self.tape.did(kind, fields, data)

    def count(self, what: str) -> None:
        """Count what happened, for the report."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def trouble(self, key: StreamKey | None) -> int:
        """When a fault last touched a stream, or (None) all of them."""
        return max(self._troubles.get(key, 0), self._troubles.get(None, 0))

    def troubled(self, key: StreamKey | None) -> None:
        """A fault touches this stream (None: all) now."""
        self._troubles[key] = self.now

    def policy(self, key: StreamKey) -> ApplicationPolicy:
        """The rules of a stream's application."""
        return self.engine.built.bus.policies[key.application]

    def takes_over(self, key: StreamKey) -> bool:
        """Whether a second publisher takes the slot."""
        return self.policy(key).on_conflict is Conflict.TAKEOVER

    def is_full(self) -> bool:
        """Whether there are as many connections as there may be, or were a moment ago."""
        budget = self.engine.built.budget
        if budget.in_use >= budget.connections - 1:
            self._full = self.now
        return self._full is not None and self.now - self._full < NS_PER_S

    def end_stream(self, key: StreamKey) -> None:
        """An operator ends a stream."""
        self._ended_by_operator[key] = self.now
        self.note("over", {"key": str(key)})
        self.engine.end_stream(str(key))

    def was_ended(self, key: StreamKey) -> bool:
        """Whether an operator did so a moment ago."""
        return self.now - self._ended_by_operator.get(key, -NS_PER_S) < NS_PER_S

    def ended(self, peer: Peer) -> None:
        """A peer has ended."""
        for each in self.invariants:
            each.ended(peer)

    def strange(self, what: str) -> None:
        """Something that no invariant has a name for."""
        self.violations.append(Violation("Journal", what, self.elapsed))

    def hear(self, address: Address, received: Callable[[bytes], None] | None) -> None:
        """Give datagrams that the engine sends to `address` to `received`; None for nobody any more."""
        if received is None:
            self._hearing.pop((address.host, address.port), None)
        else:
            self._hearing[address.host, address.port] = received

    def _datagram(self, data: bytes, _sender: Address, to: Place) -> None:
        received = self._hearing.get(to)
        if received is not None:
            received(data)

    async def pass_time(self, ns: int) -> None:
        """Let time pass."""
        passed = self.loop.create_future()
        self.later(ns, passed.set_result, None)
        await passed

    def later(self, ns: int, call: Callable[..., object], *arguments: object) -> None:
        """Call in `ns`, and a little more: nobody acts in the very nanosecond in which a timer of the engine fires."""
        self.loop.call_at((self.now + max(0, ns) + self.chance.whole(1, 9999)) / NS_PER_S, call, *arguments)

    def check(self) -> None:
        """Hold everything against the invariants. Raises the first Violation."""
        for viewer in self.viewers:
            if viewer.seen:
                seen, viewer.seen = viewer.seen, []
                for sight in seen:
                    for each in self._seen_by:
                        each.saw(viewer, sight)
        self.is_full()
        for each in self.invariants:
            each.check()
        self._bury()
        self.judge()

    def judge(self) -> None:
        """Raise the first violation there is."""
        if self.violations:
            raise min(self.violations, key=lambda violation: violation.at)

    def _bury(self) -> None:
        self.publishers = [peer for peer in self.publishers if not peer.over]
        self.viewers = [peer for peer in self.viewers if not peer.over]

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.strange(f"a peer failed itself: {error!r}")

    def _happened(self, event: Event) -> None:
        self.count(type(event).__name__)
        if isinstance(event, PublishStarted | PublishResumed):
            self.holders[event.key] = event.peer
            channel = self.engine.built.bus.channel(event.key)
            if channel is not None:
                self.journal.begin(event.key, channel)
        elif isinstance(event, PublishHeld):
            self.holders[event.key] = None
        elif isinstance(event, PublishEnded):
            self.holders.pop(event.key, None)
            self.journal.end(event.key)
        for each in self.invariants:
            each.happened(event)

    def _failed(self, failed: Failed) -> None:
        for each in self.invariants:
            each.failed(failed)
