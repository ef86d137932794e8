"""Dispatch on the type of a message: the `receives` decorator and the table it fills, one per actor class."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Method = Callable[[Any, Any], Any]
M = TypeVar("M", bound=Callable[..., Any])


def receives(*kinds: type) -> Callable[[M], M]:
    """Mark the method that handles messages of these types: ``@receives(Publish) def on_publish(self, message)``.

    What it returns answers an `ask`; a `LoopFuture` answers when it settles. TypeError for a coroutine function: start
    coroutines with `LoopActor.spawn`, so that the actor owns them.
    """

    def mark(method: M) -> M:
        if inspect.iscoroutinefunction(method):
            raise TypeError(f"{method.__qualname__} is a coroutine function: receive in a plain method and spawn from it")
        method.__dict__["receives_types"] = kinds
        return method

    return mark


class DispatchTable(dict[type, Method]):
    """Message type → method, for one actor class. A type not listed resolves once, along its MRO, then by `fallback`.

    With `divert`, everything but the types in `always` goes to `fallback`: a class that overrides `on_receive` sees its
    messages first.
    """

    def __init__(self, actor_class: type, always: frozenset[type], *, divert: bool, fallback: Method) -> None:
        super().__init__()
        names = {
            kind: name
            for parent in reversed(actor_class.__mro__)
            for name, member in vars(parent).items()
            for kind in getattr(member, "receives_types", ())
        }
        self.declared: dict[type, Method] = {kind: getattr(actor_class, name) for kind, name in names.items()}
        self._fallback = fallback
        self._divert = divert
        self.update({kind: method for kind, method in self.declared.items() if kind in always or not divert})

    def find(self, kind: type) -> Method | None:
        """The method declared for this type or its nearest ancestor."""
        return next((self.declared[parent] for parent in kind.__mro__ if parent in self.declared), None)

    def __missing__(self, kind: type) -> Method:
        method = self._fallback if self._divert else self.find(kind) or self._fallback
        self[kind] = method
        return method
