"""How the end of an actor becomes known: `Exited` to whoever watches it, `Failed` to the system's failure board."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pykka

if TYPE_CHECKING:
    from arcly_actors.runtime.actor import LoopActor

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exited:
    """A watched actor is gone: `error` is why it failed, None when it stopped in order (for `reason`, if it gave one)."""

    ref: pykka.ActorRef[Any]
    urn: str
    error: BaseException | None
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """An actor of the system failed with `error`, wherever that happened: start, message, reply, task or stop."""

    ref: pykka.ActorRef[Any]
    urn: str
    error: BaseException


class Monitors:
    """Who watches one actor, and how it ended. Everything here happens on the loop thread."""

    __slots__ = ("error", "over", "reason", "watchers")

    def __init__(self) -> None:
        self.watchers: dict[str, LoopActor] = {}
        self.over = False
        self.error: BaseException | None = None
        self.reason = ""

    def close(self, ref: pykka.ActorRef[Any], error: BaseException | None, reason: str) -> None:
        """The actor of `ref` is gone: keep how, and let every watcher know."""
        self.over, self.error, self.reason = True, error, reason
        watchers, self.watchers = self.watchers, {}
        for watcher in watchers.values():
            watcher.bereave(Exited(ref, ref.actor_urn, error, reason))


class FailureBoard:
    """Every failure of a system, told to whoever subscribed (logs, events, metrics)."""

    __slots__ = ("_observers", "count")

    def __init__(self) -> None:
        self._observers: list[Callable[[Failed], None]] = []
        self.count = 0

    def subscribe(self, observer: Callable[[Failed], None]) -> Callable[[], None]:
        """Call `observer` at each failure, on the loop thread; call what is returned, once, to end that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def report(self, failed: Failed) -> None:
        """Count a failure and pass it on; an observer that raises is logged and keeps nobody else from knowing."""
        self.count += 1
        for observer in tuple(self._observers):
            try:
                observer(failed)
            except Exception:  # noqa: BLE001
                _log.exception("An observer of failures failed itself")


def exit_error(ref: pykka.ActorRef[Any]) -> BaseException | None:
    """The error that ended the actor of `ref`; None while it lives and after an orderly stop. On the loop thread."""
    return monitors_of(ref).error


def monitors_of(ref: pykka.ActorRef[Any]) -> Monitors:
    """The monitors of one of our actors; TypeError for a plain Pykka actor, whose end nobody reports."""
    monitors = getattr(ref, "monitors", None)
    if not isinstance(monitors, Monitors):
        raise TypeError(f"{ref} is neither a LoopActor nor a WorkerActor: its end cannot be watched")
    return monitors
