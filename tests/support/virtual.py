"""Tests in virtual time: the `in_virtual_time` decorator and `Probe`, an actor that keeps what it is told."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import LoopActor, System, run_virtual

T = TypeVar("T")
PATIENCE_NS = 60 * NS_PER_S


def in_virtual_time(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a plain test of ``async def test_…(system, *fixtures)``: run to its end in virtual time, seed 0."""

    @functools.wraps(scenario)
    def test(**fixtures: Any) -> None:
        async def run(system: System) -> None:
            await scenario(system, **fixtures)

        run_virtual(run)

    signature = inspect.signature(scenario)
    parameters = tuple(signature.parameters.values())[1:]  # pytest supplies all but the system
    test.__dict__["__signature__"] = signature.replace(parameters=parameters, return_annotation=None)
    del test.__dict__["__wrapped__"]  # or pytest takes it for a coroutine
    return test


async def pass_time(ns: int) -> None:
    """Let this much virtual time pass, and with it all that happens in it."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(ns / NS_PER_S, passed.set_result, None)
    await passed


async def ask(ref: pykka.ActorRef[Any], message: object) -> Any:
    """The reply, awaited."""
    return await ref.ask(message, block=False)


class ProbeActor(LoopActor):
    """The actor of a `Probe`."""

    def __init__(self, system: System, probe: "Probe") -> None:
        super().__init__(system)
        self._probe = probe

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Watch):
            self.watch(message.ref)
            return None
        return self._probe.take(message)


class Watch:
    """Tells a probe's actor to watch `ref`."""

    def __init__(self, ref: pykka.ActorRef[Any]) -> None:
        self.ref = ref


class Probe:
    """Stands in for any actor: `ref` is its reference, `messages` all it was told, `replies` what it answers by type.

    ``await probe.next(Type)`` is the first message of that type not yet taken so; what came in between is passed over
    only for that type. Fails with AssertionError when none comes within `within_ns`.
    """

    def __init__(self, system: System, replies: dict[type, Any] | None = None) -> None:
        self.messages: list[Any] = []
        self.replies = dict(replies or {})
        self._taken: dict[type, int] = {}
        self._arrived = asyncio.Event()
        self.ref: pykka.ActorRef[Any] = ProbeActor.start(system, self)

    def take(self, message: Any) -> Any:
        """Keep a message, and answer."""
        self.messages.append(message)
        self._arrived.set()
        return self.replies.get(type(message))

    def watch(self, ref: pykka.ActorRef[Any]) -> None:
        """Have `Exited` among the messages when `ref` ends."""
        self.ref.tell(Watch(ref))

    def of(self, kind: type[T]) -> list[T]:
        """Every message of this type so far."""
        return [message for message in self.messages if isinstance(message, kind)]

    async def next(self, kind: type[T], within_ns: int = PATIENCE_NS) -> T:
        """See the class."""
        try:
            async with asyncio.timeout(within_ns / NS_PER_S):
                while True:
                    place = self._taken.get(kind, 0)
                    for position in range(place, len(self.messages)):
                        message = self.messages[position]
                        if isinstance(message, kind):
                            self._taken[kind] = position + 1
                            return message
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} came; there were {self.messages}") from None

    async def quiet(self, kind: type[Any], for_ns: int) -> None:
        """Fail if a message of this type comes within `for_ns`."""
        before = len(self.of(kind))
        await pass_time(for_ns)
        assert self.of(kind)[before:] == []
