"""Which pull a URL goes to."""

import asyncio

import pytest

from arcly_actors.bus.events import Events
from arcly_actors.clock import SystemClock, SystemEntropy
from arcly_actors.ingest.pull import PullFailed, PullRequest
from arcly_actors.ingest.pulls import PULL_SCHEMES, pull_factories
from arcly_actors.runtime import System
from arcly_actors.transport.urls import Url
from tests.bus.stage import KEY
from tests.support.virtual import Probe
from tests.support.waiting import until

NOBODY = "127.0.0.1:9/app/name"  # the discard port, where no test listens


def test_every_scheme_has_a_row() -> None:
    assert pull_factories(Events()).keys() == PULL_SCHEMES


@pytest.mark.parametrize(
    ("url", "actor"),
    [
        (f"rtmp://{NOBODY}", "RtmpPull"),
        (f"rtmps://{NOBODY}", "RtmpPull"),
        (f"rtmp://user:pass@{NOBODY}", "AvPull"),
        (f"rtsp://user:pass@{NOBODY}", "RtspPull"),
        (f"rtsps://{NOBODY}", "RtspPull"),
        (f"http://{NOBODY}", "AvPull"),
    ],
)
async def test_who_pulls_and_what_it_says_of_a_refused_connection(url: str, actor: str) -> None:
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    owner = Probe(system)
    parsed = Url.parse(url)
    pull = pull_factories(Events())[parsed.scheme](system, PullRequest(KEY, parsed), owner.ref)
    assert pull.actor_class.__name__ == actor
    failed = await owner.next(PullFailed)
    assert "connection refused" in failed.detail.lower()
    assert "pass" not in failed.detail
    owner.ref.stop(block=False)
    await until(lambda: not system.actors())
