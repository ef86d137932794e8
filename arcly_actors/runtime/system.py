"""`System`: what all actors of one engine share."""

import asyncio
import uuid
from typing import Any

import pykka

from arcly_actors.clock import Clock, Entropy
from arcly_actors.runtime.exits import FailureBoard
from arcly_actors.runtime.run_queue import RunQueue


class System:
    """One event loop, one clock, one source of randomness, one run queue, one failure board.

    `virtual` says that nothing may leave the loop's thread (a virtual loop), so workers run inline.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, entropy: Entropy) -> None:
        self.loop = loop
        self.clock = clock
        self.entropy = entropy
        self.run_queue = RunQueue(loop)
        self.failures = FailureBoard()
        self.virtual: bool = getattr(loop, "virtual", False)

    def new_urn(self) -> str:
        """An actor's URN, from the injected entropy, so that a replay names its actors alike."""
        return uuid.UUID(bytes=self.entropy.random_bytes(16), version=4).urn

    def actors(self) -> list[pykka.ActorRef[Any]]:
        """The actors of this system that run now, oldest first."""
        return [ref for ref in pykka.ActorRegistry.get_all() if getattr(ref, "system", None) is self]
