"""Sources and sinks as children of their supervisors, from a topology or from the program that embeds the engine."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.offer import Offer
from arcly_actors.egress.push import PushFactory, PushRequest
from arcly_actors.egress.sink import Sink
from arcly_actors.ingest.pull import PullFactory
from arcly_actors.ingest.source import Source, SourcePlan
from arcly_actors.runtime import Backoff, ChildSpec, OnExceeded, RestartPolicy, StopChild, Strategy, System
from arcly_actors.runtime.seams import Remote
from arcly_actors.topology.values import duration_text


class Remotes:
    """Makes their child specs. Each is tried for ever; what fails too often is down, visibly, and tried at the cap."""

    def __init__(
        self, system: System, bus: Bus, pulls: Mapping[str, PullFactory], pushes: Mapping[str, PushFactory]
    ) -> None:
        self._system = system
        self._bus = bus
        self._pulls = pulls
        self._pushes = pushes
        self._numbers = itertools.count(2)
        self._names: set[str] = set()
        self._known: dict[str, Remote] = {}

    def source(self, plan: SourcePlan) -> tuple[ChildSpec, Offer]:
        """A source, which has its key from here on. Raises as `Bus.offer`."""
        key, pull = plan.request.key, self._pulls[plan.request.url.scheme]
        offer = self._bus.offer(key)
        asked = plan.request
        options = {
            "transport": asked.transport, "on_demand": plan.on_demand, "idle": duration_text(plan.idle_ns),
            "stall": duration_text(asked.stall_ns),
        }  # fmt: skip
        remote = self._add(str(key), Remote("pull", key, asked.url, options))
        plan = replace(plan, request=replace(asked, remote=remote))

        def start() -> Ref:
            return Source.start(self._system, self._bus, plan, offer, pull)

        return ChildSpec(str(key), start, on_exceeded=OnExceeded.DEGRADE), offer

    def sink(self, request: PushRequest) -> ChildSpec:
        """A sink."""
        push = self._pushes[request.url.scheme]
        name = f"{request.key} to {request.url}"
        if name in self._names:  # only the masked part of the URL differs
            name = f"{name} #{next(self._numbers)}"
        self._names.add(name)
        remote = self._add(
            name, Remote("push", request.key, request.url, {"transport": request.transport}, request.token)
        )
        asked = replace(request, remote=remote)

        def start() -> Ref:
            return Sink.start(self._system, self._bus, asked, push)

        return ChildSpec(name, start, on_exceeded=OnExceeded.DEGRADE)

    def forget(self, spec: ChildSpec) -> None:
        """A source or sink is gone for good: its name is free."""
        self._names.discard(spec.id)
        remote = self._known.pop(spec.id, None)
        if remote is not None:
            self._system.seams.withdrawn(remote)

    def _add(self, name: str, remote: Remote) -> Remote:
        self._known[name] = remote
        self._system.seams.added(remote)
        return remote


def remote_policy(policy: RestartPolicy) -> RestartPolicy:
    """The topology's restart policy for what is elsewhere: no child touches another, and viewers do not wait for long."""
    backoff = policy.backoff
    cap = min(backoff.cap_ns, limits.RECONNECT_CAP)
    return RestartPolicy(Strategy.ONE_FOR_ONE, policy.intensity, Backoff(min(backoff.first_ns, cap), cap, backoff.jitter))


class SourceHandle:
    """A source that a program started; `url` is masked."""

    def __init__(self, remotes: Remotes, bus: Bus, supervisor: Ref, spec: ChildSpec, offer: Offer, url: str) -> None:
        self._remotes = remotes
        self._bus = bus
        self._supervisor = supervisor
        self._spec = spec
        self._offer = offer
        self.key = offer.key
        self.url = url

    @property
    def error(self) -> str:
        """Why its last try failed; empty while it is live."""
        return self._offer.error

    async def stop(self) -> None:
        """Bring it in no more: its stream is held for a last time. A second call does nothing."""
        self._remotes.forget(self._spec)
        self._bus.withdraw(self._offer)
        await self._supervisor.ask(StopChild(self._spec.id), block=False)


class SinkHandle:
    """A sink that a program started; `url` is masked."""

    def __init__(self, remotes: Remotes, supervisor: Ref, spec: ChildSpec, request: PushRequest) -> None:
        self._remotes = remotes
        self._supervisor = supervisor
        self._spec = spec
        self.key = request.key
        self.url = str(request.url)

    async def stop(self) -> None:
        """Push no more; the target is told. A second call does nothing."""
        if await self._supervisor.ask(StopChild(self._spec.id), block=False):
            self._remotes.forget(self._spec)
