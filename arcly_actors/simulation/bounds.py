"""Invariants of memory: queues stay within their bounds, and nothing is left at the end."""

import asyncio
import gc
from collections import Counter
from typing import Any

from arcly_actors import limits
from arcly_actors.bus.stream import StreamActor
from arcly_actors.runtime.mailbox import Mailbox
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.transport.connection import Connection

CONTROL = 512
"""Letters besides media that may wait in one mailbox at the end of a step: all of a step's, of all peers."""

UNSENT = limits.MAX_WRITE + limits.REPLY_BACKLOG
"""Bytes that may wait for one peer: one write of a viewer that catches up, and answers."""


class WithinBounds(Invariant):
    """Mailboxes, logs and what waits for a socket are within their bounds."""

    text = "queues are within their bounds"

    def check(self) -> None:
        """See `Invariant`."""
        for ref in self.world.engine.built.system.actors():
            inbox = ref.actor_inbox
            if not isinstance(inbox, Mailbox):
                continue
            if inbox.letters and (inbox.waiting > inbox.bound or len(inbox.letters) - inbox.waiting > CONTROL):
                self.broken(f"{ref.actor_class.__name__} has {len(inbox.letters)} letters, {inbox.waiting} of media")
            actor: Any = inbox.actor
            kind = type(actor)  # all are abstract base classes, of which Python asks more slowly than of others
            if kind is Connection and actor.wire.alive and actor.wire.outlet.pending > UNSENT:
                self.broken(f"{actor.wire.outlet.pending} bytes wait for {actor.wire.peer}")
            elif kind is StreamActor:
                self._look_at_log(actor)

    def _look_at_log(self, actor: StreamActor) -> None:
        channel = actor._channel  # noqa: SLF001 - of a stream that is over the bus has it no more
        log, policy = channel.log, channel.policy
        if not len(log):
            return
        entries, size = 2 * policy.gop.frames + 512, 2 * policy.gop.size
        span = log.moment(log.tail).until(log.moment(log.head - 1))
        if len(log) > entries or log.size > size or span > policy.gop.duration_ns + policy.max_lag_ns:
            self.broken(f"the log of {channel.key} has {len(log)} frames, {log.size} bytes, {span} ns")


class NothingLeaks(Invariant):
    """When all have gone, there is what was there before they came: actors, tasks, timers, connections, channels."""

    text = "nothing leaks"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._before = self._counted()

    def finish(self) -> None:
        """See `Invariant`."""
        built = self.world.engine.built
        for what, count in (self._counted() - self._before).items():
            self.broken(f"{count} more of {what} than at the beginning")
        if built.bus.reports():
            self.broken(f"streams are left: {', '.join(str(report.key) for report in built.bus.reports())}")
        gc.collect()
        for life in self.world.journal.lives:
            if life.channel() is not None:
                self.broken(f"a channel of {life.key} is left")
                return

    def _counted(self) -> "Counter[str]":
        built, loop = self.world.engine.built, self.world.loop
        counts: Counter[str] = Counter()
        counts.update(f"actor {ref.actor_class.__name__}" for ref in built.system.actors())
        counts["tasks"] = len(asyncio.all_tasks(loop))
        assert isinstance(loop, VirtualLoop)
        counts.update(f"timer {_named(handle)}" for handle in loop.timers())
        counts["connections"] = built.budget.in_use + built.budget.refusing
        return counts


def _named(handle: asyncio.TimerHandle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - what it calls is told nowhere else
    owner = getattr(callback, "__self__", None)
    message = getattr(owner, "message", None)
    name = getattr(callback, "__qualname__", repr(callback))
    return f"{name} of {type(message).__name__}" if message is not None else name
