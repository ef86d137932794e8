"""Actors on the event loop: Pykka's API, one loop for thousands of them, supervision, virtual time."""

from arcly_actors.runtime.actor import LoopActor, Timer
from arcly_actors.runtime.dispatch import receives
from arcly_actors.runtime.exits import Exited, Failed, exit_error
from arcly_actors.runtime.future import LoopFuture, WouldBlock
from arcly_actors.runtime.receiver import Killed
from arcly_actors.runtime.run_queue import RunQueue
from arcly_actors.runtime.system import System

__all__ = [
    "Exited",
    "Failed",
    "Killed",
    "LoopActor",
    "LoopFuture",
    "RunQueue",
    "System",
    "Timer",
    "WouldBlock",
    "exit_error",
    "receives",
]
