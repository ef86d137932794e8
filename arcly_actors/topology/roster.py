"""`Roster`: what runs under one supervisor, told by the topology or by the program; it outlasts the supervisor."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import pykka

from arcly_actors.bus.messages import Ref
from arcly_actors.runtime import ChildSpec, StartChild, StopChild

StartSupervisor = Callable[[tuple[ChildSpec, ...]], Ref]
"""Starts the supervisor with these children, in order."""


class Roster:
    """See the module. `start` is what the supervisor above starts, again and again if need be."""

    def __init__(self, start: StartSupervisor, children: Iterable[ChildSpec] = ()) -> None:
        self._start = start
        self._children = {spec.id: spec for spec in children}
        self._supervisor: Ref

    def start(self) -> Ref:
        """The supervisor, with all that is on the roster."""
        self._supervisor = self._start(tuple(self._children.values()))
        return self._supervisor

    def tell(self, spec: ChildSpec) -> None:
        """Add one that is started soon."""
        self._children[spec.id] = spec
        self._supervisor.tell(StartChild(spec))

    async def add(self, spec: ChildSpec) -> None:
        """Add one and start it; while the supervisor is down it comes with that. Raises what the start raises, and
        ConfigurationError for one that is there already.
        """
        known = self._children.setdefault(spec.id, spec)
        try:
            await self._supervisor.ask(StartChild(spec), block=False)
        except pykka.ActorDeadError:
            pass
        except BaseException:
            if known is spec:
                self._children.pop(spec.id, None)
            raise

    async def remove(self, spec: ChildSpec) -> bool:
        """Stop one, which does not come back; whether it was there."""
        there = self._children.get(spec.id) is spec
        if there:
            del self._children[spec.id]
            with suppress(pykka.ActorDeadError):  # then its child is gone, too, or will be in a moment
                await self._supervisor.ask(StopChild(spec.id), block=False)
        return there
