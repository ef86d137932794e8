"""`tree`: a supervision tree as it is now, read on the loop thread without a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka

from arcly_actors.runtime.child import Child, ChildState
from arcly_actors.runtime.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One actor of the tree. `state` is a `ChildState`, or "stopped"; a supervisor is degraded when a child of it is.

    `actor` is the class of the actor, "" while it is down; `last_error` is "" if there was none. `figures` are what an
    actor with a `figures()` counts.
    """

    id: str
    state: str
    restarts: int = 0
    last_error: str = ""
    children: tuple["TreeNode", ...] = ()
    actor: str = ""
    figures: Mapping[str, int | float] = field(default_factory=dict)


def tree(supervisor: pykka.ActorRef[Any]) -> TreeNode:
    """The tree under a supervisor. Its own restarts and last error are known to its parent, so they are empty here."""
    actor = _actor_of(supervisor)
    nodes = getattr(actor, "nodes", None)
    if actor is None or nodes is None:
        return TreeNode(
            getattr(actor, "name", supervisor.actor_class.__name__), "stopped" if actor is None else "running"
        )
    children: tuple[TreeNode, ...] = nodes()
    return TreeNode(actor.name, _state(actor.state, children), 0, "", children, supervisor.actor_class.__name__)


def node_of(child: Child) -> TreeNode:
    """The node of a supervisor's child, with what is under it."""
    state, children, name = str(child.state), (), ""
    figures: Mapping[str, int | float] = {}
    if child.ref is not None:
        name, figures = child.ref.actor_class.__name__, figures_of(child.ref)
        nodes = getattr(_actor_of(child.ref), "nodes", None)
        if nodes is not None:
            children = nodes()
            state = _state(state, children)
    return TreeNode(child.spec.id, state, child.restarts, child.last_error, children, name, figures)


def figures_of(ref: pykka.ActorRef[Any]) -> Mapping[str, int | float]:
    """What an actor with a `figures()` counts; empty for others."""
    count = getattr(_actor_of(ref), "figures", None)
    found: Mapping[str, int | float] = count() if count is not None else {}
    return found


def _state(state: str, children: tuple[TreeNode, ...]) -> str:
    degraded = state == ChildState.RUNNING and any(child.state == ChildState.DEGRADED for child in children)
    return str(ChildState.DEGRADED if degraded else state)


def _actor_of(ref: pykka.ActorRef[Any]) -> Any:
    inbox = ref.actor_inbox
    return inbox.actor if isinstance(inbox, Mailbox) else None
