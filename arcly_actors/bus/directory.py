"""The directory: which streams there are, and where their actors live now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import Events, PublishEnded
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
from arcly_actors.runtime.notify import notify
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """What became of starting a stream's supervisor."""

    key: StreamKey
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Somebody who waits for a stream's actor; `create`: one of a new stream will do."""

    create: bool
    future: LoopFuture[Ref]


@dataclass(eq=False, slots=True)
class Entry:
    """A stream: its durable channel, the directory that looks after it now, its supervisor, its actor while it runs.

    `over`: it has ended, and its supervisor is being stopped; then the key is free for another stream.
    """

    channel: Channel
    directory: Ref
    supervisor: Ref | None = None
    actor: Ref | None = None
    over: bool = False
    waiting: list[_Waiting] = field(default_factory=list)


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
        self._keys: dict[str, StreamKey] = {}  # a watched actor's urn to its stream

    def on_start(self) -> None:
        """Look after what is there already: the directory may have been restarted."""
        for key, entry in self._entries.items():
            entry.directory = self.actor_ref
            entry.waiting.clear()  # they have been told that the directory failed, and ask again
            self._watch(key, entry)

    @receives(Locate)
    def locate(self, locate: Locate) -> "Ref | LoopFuture[Ref]":
        """The stream's actor, now or as soon as it runs. Raises `Refused`: unknown application, not found, limit."""
        key = locate.key
        policy = self._policies.get(key.application)
        if policy is None:
            known = ", ".join(sorted(self._policies)) or "none"
            raise Refused(Refusal.UNKNOWN_APPLICATION, f"no application {key.application!r} here; there is {known}")
        entry = self._entries.get(key)
        if (entry is None or entry.over) and not locate.create:
            raise Refused(Refusal.NOT_FOUND, f"nobody publishes {key}")
        if entry is None or (entry.over and not entry.waiting):
            self._admit()
        if entry is None:
            entry = self._open(key, policy)
        if entry.actor is not None and entry.actor.is_alive():
            return entry.actor
        waiting = _Waiting(locate.create, LoopFuture())
        entry.waiting.append(waiting)
        return waiting.future

    @receives(StreamStarted)
    def stream_started(self, started: StreamStarted) -> None:
        """Watch a new actor, and give it to those who wait for it."""
        entry = self._entries.get(started.key)
        if entry is None or entry.actor is None:
            return
        self._watch(started.key, entry)
        waiting, entry.waiting = entry.waiting, []
        for one in waiting:
            one.future.set(entry.actor)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A stream whose actor ended it, or whose supervisor gave up, is over; an actor that failed comes back."""
        key = self._keys.pop(exited.urn, None)
        entry = None if key is None else self._entries.get(key)
        if key is None or entry is None:
            return
        if entry.supervisor is not None and entry.supervisor.actor_urn == exited.urn:
            self._forget(key, entry, exited)
        elif entry.actor is not None and entry.actor.actor_urn == exited.urn:
            entry.actor = None
            if entry.channel.feed.ended:
                entry.over = True
                self._refuse(entry, Refused(Refusal.NOT_FOUND, f"{key} has ended"))
                self._supervisor.tell(StopChild(str(key)))

    @receives(_Opened)
    def opened(self, opened: _Opened) -> None:
        """Without a supervisor there is no stream."""
        if opened.error is None:
            return
        entry = self._entries.pop(opened.key, None)
        if entry is not None:
            error = opened.error
            refused = error if isinstance(error, Refused) else Refused(Refusal.FAILED, f"{opened.key}: {error}")
            self._refuse(entry, refused, those_who_create=True)

    def _admit(self) -> None:
        """Raise `Refused` when there are as many streams as there may be; those that end while nobody waits are none."""
        most = self._max_publishers
        if len(self._entries) < most:
            return
        if sum(1 for entry in self._entries.values() if not entry.over or entry.waiting) >= most:
            raise Refused(Refusal.LIMIT, f"{most} streams are being published, which is the limit")

    def _watch(self, key: StreamKey, entry: Entry) -> None:
        for actor in (entry.supervisor, entry.actor):
            if actor is not None:
                self._keys[actor.actor_urn] = key
                self.watch(actor)

    def _open(self, key: StreamKey, policy: ApplicationPolicy) -> Entry:
        entry = self._entries[key] = Entry(Channel(key, policy), self.actor_ref)

        def start_stream() -> Ref:
            entry.actor = StreamActor.start(self.system, entry.channel, self._events)
            notify(entry.directory, StreamStarted(key))
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
            return entry.supervisor

        started = self._supervisor.ask(
            StartChild(ChildSpec(str(key), start_supervisor, restart=Restart.TEMPORARY)), block=False
        )

        async def start() -> _Opened:
            try:
                await started
            except Exception as error:  # noqa: BLE001 - whatever keeps it from starting, those who wait are told
                return _Opened(key, error)
            return _Opened(key, None)

        self.errand(start())
        return entry

    def _forget(self, key: StreamKey, entry: Entry, exited: Exited) -> None:
        """The stream's supervisor is gone; open the key again for those who want to publish there."""
        del self._entries[key]
        if not entry.over:
            detail = "stopped" if exited.error is None else f"failed too often: {exited.error}"
            entry.channel.feed.complete()
            self._events.emit(PublishEnded(key, detail))
            self._refuse(entry, Refused(Refusal.NOT_FOUND, f"{key} {detail}"))
        if entry.waiting:
            self._open(key, entry.channel.policy).waiting = entry.waiting

    def _refuse(self, entry: Entry, refused: Refused, *, those_who_create: bool = False) -> None:
        waiting, entry.waiting = entry.waiting, []
        for one in waiting:
            if one.create and not those_who_create:
                entry.waiting.append(one)
            else:
                one.future.fail(refused)
