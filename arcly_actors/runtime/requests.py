"""What a supervisor can be asked. A request that is told, not asked, has no reply and fails nobody."""

from dataclasses import dataclass

from arcly_actors.runtime.policy import ChildSpec


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add and start a child. Reply: its ActorRef; the error that `start` raised; ConfigurationError for an id in use."""

    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class StopChild:
    """Stop and remove a child. Reply, when it is gone: True; False if there is none of this id."""

    id: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Stop a child and start it at once, uncounted. Reply: the new ActorRef; ConfigurationError for an unknown id."""

    id: str


@dataclass(frozen=True, slots=True)
class Children:
    """Reply: a tuple of `TreeNode`, in order of start."""
