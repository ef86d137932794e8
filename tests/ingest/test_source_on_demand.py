"""A source on demand in virtual time: who brings it to dial, and when it hangs up."""

import asyncio

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import PublishStarted, SourceFailed, SourceIdled
from arcly_actors.bus.messages import Subscribe
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import System
from tests.bus.stage import KEY, Viewer
from tests.support.remotes import Pull, Site
from tests.support.virtual import Probe, in_virtual_time, pass_time


async def watched(site: Site) -> tuple[Viewer, Pull]:
    """A viewer who waited for the source, and the pull that it dialled for that."""
    viewing = asyncio.ensure_future(site.stage.view())
    pull = await site.pull(1)
    await pull.connect()
    return await viewing, pull


@in_virtual_time
async def test_a_source_on_demand_dials_at_the_first_viewer_who_waits(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    await pass_time(60 * NS_PER_S)
    assert site.pulls == []
    viewing = asyncio.ensure_future(site.stage.view())
    pull = await site.pull(1)
    await pass_time(2 * NS_PER_S)
    assert not viewing.done()
    await pull.connect()
    viewer = await viewing
    await pull.play(5)
    assert len(viewer.frames) == 5


@in_virtual_time
async def test_it_hangs_up_when_nobody_watches_and_comes_back_for_the_next(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    viewer, pull = await watched(site)
    await pull.play(5)
    viewer.view.stop()
    await pull.play(round(limits.SOURCE_IDLE / NS_PER_S * 25) - 5)
    assert not pull.stopped
    await pull.play(10)
    assert site.pulls[0].stopped
    assert [event.reason for event in site.stage.of(SourceIdled)] == ["no viewer for 10 s"]
    assert site.node.state == "running"
    again = asyncio.ensure_future(site.stage.view())  # within the hold: there is a seat at once
    second = await site.pull(2)
    await second.connect()
    await second.play(5)
    assert len((await again).frames) >= 5
    assert site.stage.of(SourceFailed) == []


@in_virtual_time
async def test_a_viewer_who_comes_back_in_time_keeps_it_going(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    viewer, pull = await watched(site)
    viewer.view.stop()
    await pull.play(100)
    await site.stage.view()
    await pull.play(500)
    assert len(site.pulls) == 1


@in_virtual_time
async def test_on_demand_viewers_stay_while_it_is_dialled_anew(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    viewer, pull = await watched(site)
    await pull.fail()
    for number in range(2, 8):
        await pass_time(limits.RECONNECT_CAP)
        await (await site.pull(number)).fail()
    last = await site.pull(8)
    await last.connect()
    await last.play(5)
    assert viewer.ended == []
    assert len(viewer.frames) == 5


@in_virtual_time
async def test_a_viewer_does_not_wait_for_ever(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    probe = Probe(system)
    before = system.clock.monotonic_ns()
    with pytest.raises(Refused) as caught:
        await site.stage.seat(probe)
    assert caught.value.refusal is Refusal.NOT_FOUND
    assert "camera" not in caught.value.detail  # a stranger learns no address
    assert system.clock.monotonic_ns() - before == limits.SOURCE_WAIT
    await pass_time(limits.SOURCE_IDLE + NS_PER_S)
    assert site.pulls[0].stopped
    assert site.node.state == "running"


@in_virtual_time
async def test_who_follows_is_no_demand(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    follower = Probe(system)
    waiting = asyncio.ensure_future(site.stage.bus.appears(KEY))
    await pass_time(NS_PER_S)
    assert site.pulls == []
    viewing = asyncio.ensure_future(site.stage.view())
    pull = await site.pull(1)
    await pull.connect()
    await waiting
    await site.stage.bus.subscribe(Subscribe(KEY, follower.ref, "push", "there", follows=True))
    (await viewing).view.stop()
    await pull.play(300)
    assert pull.stopped


@in_virtual_time
async def test_a_program_that_waits_for_the_stream_is_demand(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    waiting = asyncio.ensure_future(site.stage.bus.appears(KEY, wanted=True))
    await (await site.pull(1)).connect()
    await waiting
    assert len(site.stage.of(PublishStarted)) == 1
