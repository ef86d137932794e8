"""For every test: leave the process as it was found."""

import os
import sys

import hypothesis
import pytest

# The same examples each time, as long as they take: a busy machine is no failure.
hypothesis.settings.register_profile("arcly", derandomize=True, deadline=None)
hypothesis.settings.load_profile("arcly")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Back to the ordinary scheduling class.

    SVT-AV1, with which tests encode samples, puts the thread that opens it into SCHED_FIFO when it is root's. Whatever
    that thread starts afterwards inherits the class, and a browser in it starves the whole machine.
    """
    if sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is played with programs that are not ours, in real time, may fail once when the machine stalls.

    It is then run once more, and the summary tells of it. Nothing else is: what runs in virtual time fails for a reason.
    """
    for item in items:
        if {"interop", "browser"} & item.keywords.keys():
            item.add_marker(pytest.mark.flaky(reruns=1))
