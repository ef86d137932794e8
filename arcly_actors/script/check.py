"""Checking a script: it is replayed, compared, and what it expects has to come."""

from arcly_actors.script.expect import unmet
from arcly_actors.script.record import Script
from arcly_actors.script.replay import Replayed, replay


def check(script: Script) -> tuple[Replayed, list[str]]:
    """The replay, and a line for each expectation that was not met."""
    replayed = replay(script)
    return replayed, unmet(replayed)
