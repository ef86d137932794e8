"""Actors on the event loop: Pykka's API, one loop for thousands of them, supervision, virtual time."""

from arcly_actors.runtime.actor import LoopActor, Timer
from arcly_actors.runtime.child import ChildFailed, ChildGaveUp, ChildRestarted, ChildState, Degraded, SupervisionEvent
from arcly_actors.runtime.collector import rarely_collected, tune_collector
from arcly_actors.runtime.dispatch import receives
from arcly_actors.runtime.exits import Exited, Failed, exit_error
from arcly_actors.runtime.future import LoopFuture, WouldBlock
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.policy import Backoff, ChildSpec, Intensity, OnExceeded, Restart, RestartPolicy, Strategy
from arcly_actors.runtime.receiver import Killed
from arcly_actors.runtime.requests import Children, RestartChild, StartChild, StopChild
from arcly_actors.runtime.run_queue import RunQueue
from arcly_actors.runtime.seams import Network, Note, Seams, SessionNote, Tape, WatchedEntropy
from arcly_actors.runtime.supervisor import IntensityExceeded, Supervisor
from arcly_actors.runtime.system import System
from arcly_actors.runtime.tree import TreeNode, tree
from arcly_actors.runtime.virtual import run_virtual
from arcly_actors.runtime.worker import WorkerActor

__all__ = [
    "Backoff",
    "ChildFailed",
    "ChildGaveUp",
    "ChildRestarted",
    "ChildSpec",
    "ChildState",
    "Children",
    "Degraded",
    "Exited",
    "Failed",
    "Intensity",
    "IntensityExceeded",
    "Killed",
    "LoopActor",
    "LoopFuture",
    "Network",
    "Note",
    "OnExceeded",
    "Restart",
    "RestartChild",
    "RestartPolicy",
    "RunQueue",
    "Seams",
    "SessionNote",
    "StartChild",
    "StopChild",
    "Strategy",
    "SupervisionEvent",
    "Supervisor",
    "System",
    "Tape",
    "Timer",
    "TreeNode",
    "WatchedEntropy",
    "WorkerActor",
    "WouldBlock",
    "exit_error",
    "notify",
    "rarely_collected",
    "receives",
    "run_virtual",
    "tree",
    "tune_collector",
]
