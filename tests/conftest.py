"""For every test: leave the process as it was found."""

import logging
import os
import sys
from collections.abc import Iterator

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


class _Unexpected(logging.Handler):
    """Keeps what pykka says of messages that an actor has no method for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "Unexpected message" in record.getMessage():
            self.said.append(record.getMessage())


@pytest.fixture(autouse=True)
def every_message_is_expected(request: pytest.FixtureRequest) -> Iterator[None]:
    """No actor is told what it has no method for."""
    kept = _Unexpected()
    logger = logging.getLogger("pykka")
    logger.addHandler(kept)
    yield
    logger.removeHandler(kept)
    if request.node.get_closest_marker("unexpected_messages") is None:
        assert not kept.said


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is played over real sockets in real time, and with programs that are not ours, may fail once: machines stall.

    It is then run once more, and the summary tells of it. Nothing else is: what runs in virtual time fails for a reason.
    """
    for item in items:
        if {"interop", "browser", "real_time"} & item.keywords.keys():
            item.add_marker(pytest.mark.flaky(reruns=1))
