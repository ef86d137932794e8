"""For every test: leave the process as it was found."""

import os
import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Back to the ordinary scheduling class.

    SVT-AV1, with which tests encode samples, puts the thread that opens it into SCHED_FIFO when it is root's. Whatever
    that thread starts afterwards inherits the class, and a browser in it starves the whole machine.
    """
    if sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
