"""The directory: which streams there are, and where their actors live now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import Events
from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.bus.stream import StreamActor
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import (
    ChildSpec,
    Exited,
    LoopActor,
    LoopFuture,
    Restart,
    StartChild,
    StopChild,
    SupervisionEvent,
    Supervisor,
    System,
    receives,
)
from arcly_actors.runtime.policy import RestartPolicy


@dataclass(frozen=True, slots=True)
class Locate:
    """Ask for the stream actor of `key`; with `create`, of a new stream if there is none. The reply is an ActorRef."""

    key: StreamKey
    create: bool = False


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """A stream actor runs (again)."""

    key: StreamKey


@dataclass(eq=False, slots=True)
class Entry:
    """A stream: its durable channel, its supervisor, its actor while it runs, and who waits for that."""

    channel: Channel
    supervisor: Ref | None = None
    actor: Ref | None = None
    waiting: list[LoopFuture[Ref]] = field(default_factory=list)


OnSupervision = Callable[[SupervisionEvent], None]


@dataclass(frozen=True, slots=True)
class StreamSupervision:
    """How the actors of a stream are restarted, and who hears of it."""

    restarts: RestartPolicy
    on_event: OnSupervision | None = None


Entries = dict[StreamKey, Entry]
"""The streams; it outlives the directory actor, so that a crash of that one loses no stream."""


class Directory(LoopActor):
    """Finds and makes streams. Each has a supervisor of its own, with the stream actor and the GOP-cache actor."""

    def __init__(
        self,
        system: System,
        supervisor: Ref,
        entries: Entries,
        policies: Mapping[str, ApplicationPolicy],
        supervision: StreamSupervision,
        events: Events,
        max_publishers: int,
    ) -> None:
        super().__init__(system)
        self._supervisor = supervisor
        self._entries = entries
        self._policies = policies
        self._supervision = supervision
        self._events = events
        self._max_publishers = max_publishers

    def on_start(self) -> None:
        """Watch what is there already: the directory may have been restarted."""
        for entry in self._entries.values():
            if entry.supervisor is not None:
                self.watch(entry.supervisor)
            if entry.actor is not None:
                self.watch(entry.actor)

    @receives(Locate)
    def locate(self, locate: Locate) -> "Ref | LoopFuture[Ref]":
        """The stream's actor, now or as soon as it runs. Raises `Refused`: unknown application, not found, limit."""
        key = locate.key
        policy = self._policies.get(key.application)
        if policy is None:
            known = ", ".join(sorted(self._policies)) or "none"
            raise Refused(Refusal.UNKNOWN_APPLICATION, f"no application {key.application!r} here; there is {known}")
        entry = self._entries.get(key)
        if entry is None:
            if not locate.create:
                raise Refused(Refusal.NOT_FOUND, f"nobody publishes {key}")
            if len(self._entries) >= self._max_publishers:
                raise Refused(Refusal.LIMIT, f"{self._max_publishers} streams are being published, which is the limit")
            entry = self._open(key, policy)
        if entry.actor is not None and entry.actor.is_alive():
            return entry.actor
        future: LoopFuture[Ref] = LoopFuture()
        entry.waiting.append(future)
        return future

    @receives(StreamStarted)
    def stream_started(self, started: StreamStarted) -> None:
        """Watch a new actor, and give it to those who wait for it."""
        entry = self._entries.get(started.key)
        if entry is None or entry.actor is None:
            return
        self.watch(entry.actor)
        waiting, entry.waiting = entry.waiting, []
        for future in waiting:
            future.set(entry.actor)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A stream that stopped in order, or whose supervisor gave up, is over."""
        for key, entry in self._entries.items():
            if entry.supervisor is not None and entry.supervisor.actor_urn == exited.urn:
                self._close(key, f"{key} failed too often")
                return
            if entry.actor is not None and entry.actor.actor_urn == exited.urn:
                entry.actor = None
                if exited.error is None:
                    self._close(key, f"{key} has ended")
                return

    def _open(self, key: StreamKey, policy: ApplicationPolicy) -> Entry:
        entry = self._entries[key] = Entry(Channel(key, policy))
        directory = self.actor_ref

        def start_stream() -> Ref:
            entry.actor = StreamActor.start(self.system, entry.channel, self._events)
            directory.tell(StreamStarted(key))
            return entry.actor

        def start_supervisor() -> Ref:
            entry.supervisor = Supervisor.start(
                self.system,
                str(key),
                children=(
                    ChildSpec("stream", start_stream, restart=Restart.TRANSIENT),
                    ChildSpec("gop-cache", lambda: GopCacheActor.start(self.system, entry.channel, self._events)),
                ),
                policy=self._supervision.restarts,
                on_event=self._supervision.on_event,
            )
            self.watch(entry.supervisor)
            return entry.supervisor

        self._supervisor.tell(StartChild(ChildSpec(str(key), start_supervisor, restart=Restart.TEMPORARY)))
        return entry

    def _close(self, key: StreamKey, detail: str) -> None:
        entry = self._entries.pop(key)
        for future in entry.waiting:
            future.set_exception((Refused, Refused(Refusal.NOT_FOUND, detail), None))
        self._supervisor.tell(StopChild(str(key)))
