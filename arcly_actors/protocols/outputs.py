"""What every sans-IO engine takes and gives.

An engine is fed bytes, time and commands and never touches a socket or a clock::

    engine.receive(data, now)      # or engine.wake(now), engine.command(cmd, now), engine.closed(now)
    while (output := engine.poll()) is not None:
        ...                        # Transmit | Emit | WakeAt | Hangup

`now` is monotonic nanoseconds. After a `Hangup` the engine ignores everything.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from arcly_actors.errors import ArclyError

EventT_co = TypeVar("EventT_co", covariant=True)
CommandT_contra = TypeVar("CommandT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bytes to send, in this order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Emit(Generic[EventT_co]):
    """Something happened that the session wants to know: an event value of the engine's `events` module."""

    event: EventT_co


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `wake` at this monotonic time (ns); replaces the wake-up asked for before, None cancels it."""

    at: int | None


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the connection once what was transmitted is out; `error` is None for an orderly end."""

    reason: str
    error: ArclyError | None = None


Output: TypeAlias = Transmit | Emit[EventT_co] | WakeAt | Hangup


class Engine(Protocol[CommandT_contra, EventT_co]):
    """The face that a driver sees of any engine."""

    def receive(self, data: bytes, now: int) -> None:
        """Take bytes from the peer, cut anywhere. Never raises on what a peer sends."""
        ...

    def wake(self, now: int) -> None:
        """The time asked for by `WakeAt` has come."""
        ...

    def command(self, command: CommandT_contra, now: int) -> None:
        """Do what the session wants; ValueError when the state does not allow it (a defect of the caller)."""
        ...

    def closed(self, now: int) -> None:
        """The peer closed its side."""
        ...

    def poll(self) -> "Output[EventT_co] | None":
        """The next output, or None when there is none for now."""
        ...
