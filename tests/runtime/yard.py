"""A supervisor under test, with children that crash when told to."""

from typing import Any

import pykka

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import (
    Backoff,
    ChildSpec,
    Intensity,
    LoopActor,
    RestartPolicy,
    Strategy,
    SupervisionEvent,
    Supervisor,
    System,
    receives,
    tree,
)

Ref = pykka.ActorRef[Any]
EXACT = Backoff(first_ns=100 * NS_PER_MS, cap_ns=10 * NS_PER_S, jitter=0.0)


class Worker(LoopActor):
    """Fails with the exception that it is told, stops in order when told "stop"."""

    def __init__(self, system: System, name: str, log: list[str]) -> None:
        super().__init__(system)
        self.name = name
        self.log = log

    def on_start(self) -> None:
        self.log.append(f"+{self.name}")

    def on_stop(self) -> None:
        self.log.append(f"-{self.name}")

    @receives(BaseException)
    def on_crash(self, error: BaseException) -> None:
        raise error

    @receives(str)
    def on_word(self, _word: str) -> None:
        self.stop_self("told to")


class Yard:
    """One supervisor under test: its children by id, the log of starts (+) and stops (-), its events."""

    def __init__(self, system: System, policy: RestartPolicy, *specs: tuple[str, dict[str, Any]]) -> None:
        self.system = system
        self.log: list[str] = []
        self.events: list[SupervisionEvent] = []
        self.refs: dict[str, Ref] = {}
        self.starts: list[int] = []
        children = [self.spec(name, **arguments) for name, arguments in specs]
        self.ref: Ref = Supervisor.start(system, "yard", children=children, policy=policy, on_event=self.events.append)

    def spec(self, name: str, **arguments: Any) -> ChildSpec:
        def start() -> Ref:
            self.starts.append(self.system.clock.monotonic_ns())
            ref = self.refs[name] = Worker.start(self.system, name, self.log)
            return ref

        return ChildSpec(name, **{"start": start, **arguments})

    def crash(self, name: str) -> None:
        self.refs[name].tell(ValueError(f"{name} is broken"))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> dict[str, str]:
        return {node.id: node.state for node in tree(self.ref).children}


def policy(strategy: Strategy = Strategy.ONE_FOR_ONE, *, restarts: int = 5, backoff: Backoff = EXACT) -> RestartPolicy:
    return RestartPolicy(strategy, Intensity(restarts, 10 * NS_PER_S), backoff)


SETTLE = NS_PER_MS
