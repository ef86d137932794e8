"""`Connection`: an actor that drives one sans-IO engine over one wire.

Bytes run through the engine in the socket's own callback and its events go to the owner (a session actor) by `tell`:
nothing waits for a turn of this actor's mailbox. A connection outlives its owner: when that crashes, reading stops
until another one attaches, and the connection ends only if none does in time. An owner that stops in order ends the
connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.errors import ArclyError
from arcly_actors.protocols.outputs import Emit, Engine, Hangup, Transmit, WakeAt
from arcly_actors.runtime import Exited, LoopActor, System, Timer, receives
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class Command:
    """Have the engine do this. A command that its state does not allow is a defect and ends the connection."""

    value: Any


@dataclass(frozen=True, slots=True)
class Attach:
    """Events go to this actor from now on, those first that nobody was there for."""

    owner: pykka.ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Divert:
    """Events of these types go straight to this actor while it lives, in order with all others that it is told."""

    kinds: tuple[type, ...]
    to: pykka.ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Close when what was written is out."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The last event of a connection. `error` is None for an orderly end."""

    reason: str
    error: BaseException | None = None

    @property
    def detail(self) -> str:
        """Why, for a person: in the words of an error that has any and is not a defect of ours, else the reason."""
        error = self.error
        return str(error) if isinstance(error, ArclyError | OSError) and str(error) else self.reason


@dataclass(frozen=True, slots=True)
class _Wake:
    """The time an engine asked for may have come."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The engine raised in a callback of the wire; raised again where the actor's supervisor sees it."""

    error: Exception


@dataclass(frozen=True, slots=True)
class _Abandoned:
    """No owner has come in time."""


class Connection(LoopActor):
    """See the module. It reads as soon as an owner attaches."""

    def __init__(
        self, system: System, wire: Wire, engine: Engine[Any, Any], *, orphan_timeout: int = limits.ORPHAN_TIMEOUT
    ) -> None:
        super().__init__(system)
        self.wire = wire
        self._engine = engine
        self._orphan_timeout = orphan_timeout
        self._now = system.clock.monotonic_ns
        self._queue = system.run_queue
        self._note = system.seams.notes(wire) if system.seams.tapes else None
        self._diverted: dict[type, pykka.ActorRef[Any]] = {}
        self._owner: pykka.ActorRef[Any] | None = None
        self._owner_urn = ""
        self._held: list[Any] = []
        self._orphaned_for: Timer | None = None
        self._backlogged = False
        self._wake_at: int | None = None
        self._timer: Timer | None = None
        self._timer_at = 0
        self._verdict: ConnectionClosed | None = None

    def on_start(self) -> None:
        """Take the wire over; a client's engine may have something to say first."""
        self._await_owner()
        self.wire.attach(self, reading=False)
        self._drain()

    def on_stop(self) -> None:
        """Stopped from outside, or over: what was written still leaves."""
        self._report(ConnectionClosed("stopped"))
        self.wire.end()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """A defect, here or in the engine: nothing that it wrote can be trusted to be whole."""
        self._report(ConnectionClosed("failed", exception_value))
        self.wire.abort()

    # --- the wire's callbacks ---

    def received(self, data: bytes) -> None:
        """See `wire.Receiver.received`."""
        if self._verdict is not None:
            return
        queue = self._queue
        if queue.ready:  # `RunQueue.expect`, without a call for each frame
            queue.drain()
        queue.scheduled = True  # what follows from the bytes is done below: a turn of the loop costs a tenth of all of it
        try:
            self._engine.receive(data, self._now())
            self._drain()
        except Exception as error:  # noqa: BLE001 - whatever a defect raises must reach the supervisor, not the loop
            self._fail(error)
        finally:
            queue.drain()

    def half_closed(self) -> None:
        """See `wire.Receiver.half_closed`: no protocol of ours goes on after its peer has finished."""
        if self._verdict is not None:
            return
        try:
            self._engine.closed(self._now())
            self._drain()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
        self._settle(ConnectionClosed("the peer closed"))

    def lost(self, error: Exception | None) -> None:
        """See `wire.Receiver.lost`."""
        if self.actor_stopped.is_set():
            return
        self.stop_self(self._report(ConnectionClosed("the connection was lost", error)).reason)

    # --- messages ---

    @receives(Attach)
    def on_attach(self, message: Attach) -> None:
        """A session, the first or a restarted one, takes over."""
        if self._owner is not None:
            self.unwatch(self._owner)
        if self._orphaned_for is not None:
            self._orphaned_for.cancel()
            self._orphaned_for = None
        self._owner = message.owner
        self._owner_urn = message.owner.actor_urn
        held, self._held = self._held, []
        for event in held:
            self._emit(event)
        self.watch(message.owner)
        self._read_or_pause()

    @receives(Divert)
    def on_divert(self, message: Divert) -> None:
        """The owner has nothing to do with these."""
        self._diverted |= dict.fromkeys(message.kinds, message.to)

    @receives(Exited)
    def on_exited(self, message: Exited) -> None:
        """The owner is gone: crashed (another one may come) or done."""
        if message.urn != self._owner_urn:
            return
        if message.error is None:
            self._hang_up(ConnectionClosed(message.reason or "its session ended"))
        elif self._owner is not None:
            self._await_owner()

    @receives(_Broken)
    def on_broken(self, message: _Broken) -> None:
        """A defect of the engine is this actor's failure."""
        raise message.error

    @receives(_Abandoned)
    def on_abandoned(self, _message: _Abandoned) -> None:
        """See `limits.ORPHAN_TIMEOUT`."""
        if self._owner is None:
            self._hang_up(ConnectionClosed("its session did not come back"))

    @receives(Command)
    def on_command(self, message: Command) -> None:
        """Pass it to the engine."""
        if self._verdict is None:
            if self._note is not None:
                self._note("asked", message.value)
            self._engine.command(message.value, self._now())
            self._drain()

    @receives(Close)
    def on_close(self, message: Close) -> None:
        """The owner wants the end."""
        self._hang_up(ConnectionClosed(message.reason))

    @receives(_Wake)
    def on_wake(self, _message: _Wake) -> None:
        """The timer rang; the engine may have asked for a later time since."""
        self._timer = None
        if self._wake_at is None or self._verdict is not None:
            return
        now = self._now()
        if now < self._wake_at:
            self._wake(self._wake_at)
            return
        self._wake_at = None
        self._engine.wake(now)
        self._drain()

    # --- the engine's outputs ---

    def _drain(self) -> None:
        poll: Callable[[], Any] = self._engine.poll
        chunks: list[bytes] = []
        hangup: Hangup | None = None
        while (output := poll()) is not None:
            if isinstance(output, Emit):
                self._emit(output.event)
            elif isinstance(output, Transmit):
                chunks.append(output.data)
            elif isinstance(output, WakeAt):
                self._wake(output.at)
            else:
                hangup = output
                break
        if chunks:
            self._write(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if hangup is not None:
            self._hang_up(ConnectionClosed(hangup.reason, hangup.error))

    def _write(self, data: bytes) -> None:
        outlet = self.wire.outlet
        outlet.write(data)
        if outlet.pending > limits.REPLY_BACKLOG and not self._backlogged:
            self._backlogged = True
            self._read_or_pause()
            outlet.when_writable(self._writable)

    def _writable(self) -> None:
        self._backlogged = False
        self._read_or_pause()

    def _emit(self, event: Any) -> None:
        if self._note is not None:
            self._note("told", event)
        diverted = self._diverted.get(type(event))
        if diverted is not None:
            try:
                diverted.tell(event)
            except pykka.ActorDeadError:
                self._diverted.clear()
            else:
                return
        if self._owner is not None:
            try:
                self._owner.tell(event)
            except pykka.ActorDeadError:
                self._await_owner()  # its Exited is still under way to us
            else:
                return
        if len(self._held) >= limits.ORPHAN_EVENTS:
            self._hang_up(ConnectionClosed("its session did not come back"))
        else:
            self._held.append(event)

    def _wake(self, at: int | None) -> None:
        # Engines move their deadline with every packet: a timer that rings too early is put off when it rings.
        self._wake_at = at
        if at is None or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.after(at - self._now(), _Wake())

    # --- the end ---

    def _await_owner(self) -> None:
        self._owner = None
        if self._orphaned_for is None:
            self._orphaned_for = self.after(self._orphan_timeout, _Abandoned())
        self._read_or_pause()

    def _read_or_pause(self) -> None:
        if self._owner is None or self._backlogged:
            self.wire.pause()
        else:
            self.wire.resume()

    def _hang_up(self, verdict: ConnectionClosed) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self.wire.end()

    def _fail(self, error: Exception) -> None:
        self._settle(ConnectionClosed("failed", error))
        self.actor_ref.tell(_Broken(error))

    def _settle(self, otherwise: ConnectionClosed) -> ConnectionClosed:
        """How it ended: the first word stands."""
        if self._verdict is None:
            self._verdict = otherwise
        return self._verdict

    def _report(self, otherwise: ConnectionClosed) -> ConnectionClosed:
        verdict = self._settle(otherwise)
        owner, self._owner = self._owner, None
        if owner is not None:
            try:
                owner.tell(verdict)
            except pykka.ActorDeadError:
                return verdict  # nobody is left who would want to know
        return verdict
