"""`System`: what all actors of one engine share."""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

import pykka

from arcly_actors.clock import Clock, Entropy, SeededEntropy
from arcly_actors.runtime.exits import FailureBoard
from arcly_actors.runtime.run_queue import RunQueue
from arcly_actors.runtime.seams import Seams

_NAME_SEED = 15
"""Bytes. As no other draw has this size, a replay that has one draw too few or too many gives it the right one."""


class System:
    """One event loop, one clock, one source of randomness, one run queue, one failure board.

    `seams` is where tapes listen, and what stands in for sockets. `virtual` says that nothing may leave the loop's thread
    (a virtual loop), so workers run inline.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, entropy: Entropy, seams: Seams | None = None
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.entropy = entropy
        self.seams = seams or Seams()
        # Names have a source of their own: how many actors there are must not decide what goes on the wire.
        self._names = SeededEntropy(int.from_bytes(entropy.random_bytes(_NAME_SEED)))
        self.run_queue = RunQueue(loop)
        self.failures = FailureBoard()
        self._left: set[asyncio.Task[None]] = set()
        self.virtual: bool = getattr(loop, "virtual", False)

    def new_urn(self) -> str:
        """An actor's URN, from the injected entropy, so that a replay names its actors alike."""
        return uuid.UUID(bytes=self._names.random_bytes(16), version=4).urn

    def outlive(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what an actor leaves behind: after its end, and before the engine's (`settled`)."""
        task = self.loop.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    async def settled(self) -> None:
        """Wait for what actors left behind."""
        if self._left:
            await asyncio.wait(self._left)

    def actors(self) -> list[pykka.ActorRef[Any]]:
        """The actors of this system that run now, oldest first."""
        return [ref for ref in pykka.ActorRegistry.get_all() if getattr(ref, "system", None) is self]
