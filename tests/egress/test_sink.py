"""Sinks in virtual time, with pushes that a test plays by hand."""

import asyncio
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import SinkConnected, SinkEnded, SinkFailed
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.runtime import LoopActor, Supervisor, System, TreeNode, tree
from arcly_actors.topology.remotes import Remotes, SinkHandle, remote_policy
from arcly_actors.topology.roster import Roster
from arcly_actors.transport.urls import Url
from tests.bus.stage import KEY, RESTARTS, Stage
from tests.support.virtual import in_virtual_time, pass_time


class HandPush(LoopActor):
    """A push that does nothing."""

    def on_receive(self, message: Any) -> Any:
        del message


class Push:
    """One push that was started."""

    def __init__(self, ref: pykka.ActorRef[Any], request: PushRequest, owner: Ref) -> None:
        self.ref = ref
        self.request = request
        self._owner = owner

    @property
    def stopped(self) -> bool:
        return not self.ref.is_alive()

    async def tell(self, message: object) -> None:
        self._owner.tell(message)
        for _ in range(5):
            await asyncio.sleep(0)


class Yard:
    """A bus with a supervisor of sinks."""

    def __init__(self, system: System) -> None:
        self.stage = Stage(system)
        self.pushes: list[Push] = []
        self.remotes = Remotes(system, self.stage.bus, {}, {"rtmp": self._start})
        policy = remote_policy(RESTARTS)
        self.roster = Roster(lambda specs: Supervisor.start(system, "sinks", children=specs, policy=policy))
        self.supervisor = self.roster.start()
        system.run_queue.drain()

    def _start(self, system: System, bus: Bus, request: PushRequest, owner: Ref) -> Ref:
        assert bus is self.stage.bus
        ref = HandPush.start(system)
        self.pushes.append(Push(ref, request, owner))
        return ref

    @property
    def nodes(self) -> tuple[TreeNode, ...]:
        return tree(self.supervisor).children

    async def sink(self, url: str = "rtmp://target/app/secret") -> SinkHandle:
        request = PushRequest(KEY, Url.parse(url, keyed=True))
        spec = self.remotes.sink(request)
        await self.roster.add(spec)
        return SinkHandle(self.remotes, self.roster, spec, request)

    async def push(self, number: int) -> Push:
        for _ in range(10_000):
            if len(self.pushes) >= number:
                return self.pushes[number - 1]
            await pass_time(10 * NS_PER_MS)
        raise AssertionError(f"only {len(self.pushes)} pushes were started")


@in_virtual_time
async def test_it_waits_for_the_stream_and_for_the_next_one(system: System) -> None:
    yard = Yard(system)
    await yard.sink()
    await pass_time(60 * NS_PER_S)
    assert yard.pushes == []
    publisher = await yard.stage.publish()
    push = await yard.push(1)
    await push.tell(PushStarted())
    assert yard.stage.of(SinkConnected) == [SinkConnected(KEY, "rtmp://target/app/***")]
    await publisher.leave()
    yard.stage.bus.end(KEY, "over")
    await pass_time(NS_PER_MS)
    await push.tell(PushEnded("over"))
    assert yard.stage.of(SinkEnded) == [SinkEnded(KEY, "rtmp://target/app/***", "over")]
    await pass_time(60 * NS_PER_S)
    assert len(yard.pushes) == 1
    await yard.stage.publish()
    assert not (await yard.push(2)).stopped
    assert [node.restarts for node in yard.nodes] == [0]


@in_virtual_time
async def test_a_push_that_fails_is_tried_for_ever_and_the_error_is_seen(system: System) -> None:
    yard = Yard(system)
    await yard.sink()
    await yard.stage.publish()
    for number in range(1, 20):
        before = system.clock.monotonic_ns()
        push = await yard.push(number)
        assert system.clock.monotonic_ns() - before <= limits.RECONNECT_CAP + 20 * NS_PER_MS
        await push.tell(PushFailed("target: connection refused"))
        assert push.stopped
    (node,) = yard.nodes
    assert node.id == "live/cam to rtmp://target/app/***"
    assert node.state == "degraded"
    assert "connection refused" in node.last_error
    assert "secret" not in repr(node)
    assert len(yard.stage.of(SinkFailed)) == 19
    await (await yard.push(20)).tell(PushStarted())
    assert yard.nodes[0].state == "running"


@in_virtual_time
async def test_a_sink_that_fails_touches_neither_the_others_nor_the_stream(system: System) -> None:
    yard = Yard(system)
    await yard.sink("rtmp://good/app/a")
    await yard.sink("rtmp://bad/app/b")
    publisher = await yard.stage.publish()
    viewer = await yard.stage.view()
    good = await yard.push(1)
    await good.tell(PushStarted())
    for number in range(2, 20):
        await (await yard.push(number)).tell(PushFailed("refused"))
    await publisher.play(10)
    assert len(viewer.frames) == 10
    assert not good.stopped
    assert {push.request.url.host for push in yard.pushes[1:]} == {"bad"}
    assert [node.restarts > 0 for node in yard.nodes] == [False, True]


@in_virtual_time
async def test_a_push_that_crashes_is_a_failed_try(system: System) -> None:
    yard = Yard(system)
    await yard.sink()
    await yard.stage.publish()
    push = await yard.push(1)
    yard.stage.crash(push.ref)
    assert not (await yard.push(2)).stopped
    assert [failed.error for failed in yard.stage.of(SinkFailed)] == ["Injected in it"]


@in_virtual_time
async def test_changed_tracks_bring_a_new_push_but_no_storm_of_them(system: System) -> None:
    yard = Yard(system)
    await yard.sink()
    await yard.stage.publish()
    await (await yard.push(1)).tell(PushEnded("its tracks changed"))
    await pass_time(limits.SINK_PAUSE - NS_PER_MS)
    assert len(yard.pushes) == 1
    await pass_time(2 * NS_PER_MS)
    assert len(yard.pushes) == 2


@in_virtual_time
async def test_a_sink_can_be_stopped(system: System) -> None:
    yard = Yard(system)
    handle = await yard.sink()
    other = await yard.sink()  # the same again: only its number tells them apart
    assert [node.id for node in yard.nodes] == [
        "live/cam to rtmp://target/app/***",
        "live/cam to rtmp://target/app/*** #2",
    ]
    await yard.stage.publish()
    await yard.push(2)
    await handle.stop()
    await handle.stop()
    await pass_time(1)
    assert [push.stopped for push in yard.pushes] == [True, False]
    await other.stop()
    assert yard.nodes == ()
