"""Peers in a world of their own: each publishes or sees what it should, through what a bad path does to it."""

from collections.abc import Awaitable, Callable

import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtsp.server import RtspServer
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.virtual import run_engine
from arcly_actors.simulation.camera import PICTURES, SOUND, Camera
from arcly_actors.simulation.chance import Chance
from arcly_actors.simulation.feed import FeedPublisher
from arcly_actors.simulation.hls import HlsViewer
from arcly_actors.simulation.inside import InsideViewer
from arcly_actors.simulation.invariant import Violation
from arcly_actors.simulation.peer import PublishingPeer, Sight, ViewingPeer
from arcly_actors.simulation.rtmp import RtmpPublisher
from arcly_actors.simulation.rtsp_udp import RtspUdpPublisher, RtspUdpViewer
from arcly_actors.simulation.run import invariants
from arcly_actors.simulation.scene import scene
from arcly_actors.simulation.world import World
from arcly_actors.transport.addresses import Address

Pair = tuple[type[PublishingPeer], type[ViewingPeer]]
Act = Callable[[World, PublishingPeer, ViewingPeer], Awaitable[None]]

OVER_UDP: tuple[Pair, ...] = ((RtspUdpPublisher, InsideViewer), (RtmpPublisher, RtspUdpViewer))
FEED: Pair = (FeedPublisher, InsideViewer)

FEEDS = (1, 2)
"""The keys of a scene that have a feed: one bare, one in RTP."""


def seen(pair: Pair, act: Act, key: int = 0) -> list[Sight]:
    """What the viewer saw of the publisher while `act` went on; no invariant was broken."""
    clock, network, chance = VirtualClock(), ScriptedNetwork(), Chance(9)
    topology, keys = scene(chance)
    sights: list[Sight] = []

    async def play(engine: Engine) -> None:
        world = World(engine, network, clock, chance, keys)
        await world.pass_time(NS_PER_S)
        world.watch_over(invariants(world))
        publisher = pair[0](world, "publisher", keys[key], Address("10.0.0.1", 40001), camera(world))
        world.enter(publisher)
        await world.pass_time(NS_PER_S)
        viewer = pair[1](world, "viewer", keys[key], Address("10.0.0.2", 40002))
        world.enter(viewer)
        await world.pass_time(2 * NS_PER_S)
        assert publisher.began is not None
        assert viewer.began is not None
        await act(world, publisher, viewer)
        sights.extend(viewer.seen)
        world.check()

    run_engine(play, topology, clock=clock, network=network)
    return sights


def camera(world: World, name: str = "publisher") -> Camera:
    return Camera(
        name,
        world.chance,
        world.journal.take_down,
        world.number,
        PICTURES[0],
        SOUND,
        picture_every=100 * NS_PER_MS,
        sound_every=256 * NS_PER_MS,
        gop=10,
    )


async def quietly(world: World, _publisher: PublishingPeer, _viewer: ViewingPeer) -> None:
    await world.pass_time(3 * NS_PER_S)


async def unevenly(world: World, publisher: PublishingPeer, viewer: ViewingPeer) -> None:
    """What overtakes itself is put in order."""
    for peer in (publisher, viewer):
        peer.slow_down(50 * NS_PER_MS, 400 * NS_PER_MS)
    await world.pass_time(3 * NS_PER_S)


async def with_losses(world: World, publisher: PublishingPeer, viewer: ViewingPeer) -> None:
    for peer in (publisher, viewer):
        peer.lose(0.1, 0.1)
    await world.pass_time(20 * NS_PER_S)


CASES = [*((pair, act, 0) for pair in OVER_UDP for act in (quietly, unevenly)), *((FEED, quietly, key) for key in FEEDS)]


@pytest.mark.parametrize(("pair", "act", "key"), CASES)
def test_every_frame_is_seen_once(pair: Pair, act: Act, key: int) -> None:
    sights = seen(pair, act, key)
    for kind in Kind.VIDEO, Kind.AUDIO:
        numbers = [sight.number for sight in sights if sight.kind is kind]
        assert len(numbers) > 10
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(("pair", "key"), [*((pair, 0) for pair in OVER_UDP), *((FEED, key) for key in FEEDS)])
def test_of_what_gets_lost_the_rest_is_seen_in_order(pair: Pair, key: int) -> None:
    sights = seen(pair, with_losses, key)
    pictures = [sight.number for sight in sights if sight.kind is Kind.VIDEO]
    assert 20 < len(pictures) < 220  # of 230
    assert pictures == sorted(set(pictures))


async def vanishing(world: World, publisher: PublishingPeer, viewer: ViewingPeer) -> None:
    assert isinstance(viewer, RtspUdpViewer)
    viewer.vanish()
    for _ in range(9):
        await world.pass_time(10 * NS_PER_S)
        world.check()
    assert publisher.fate is None


def test_a_player_that_vanishes_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen((RtmpPublisher, RtspUdpViewer), vanishing)
    monkeypatch.setattr(RtspServer, "_on_deadline", lambda _server: None)
    with pytest.raises(Violation) as found:
        seen((RtmpPublisher, RtspUdpViewer), vanishing)
    assert found.value.invariant == "GivenUp"


async def beside_another(world: World, publisher: PublishingPeer, _viewer: ViewingPeer) -> None:
    """A second encoder sends to the same port."""
    world.enter(FeedPublisher(world, "another", publisher.key, Address("10.0.0.3", 40003), camera(world, "another")))
    await world.pass_time(10 * NS_PER_S)
    world.check()
    assert {shot.publisher for shot in world.journal.shots.values()} == {"publisher", "another"}


def test_a_feed_is_of_one_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen(FEED, beside_another, FEEDS[0])

    def admit_everyone(feed: TsDatagrams, _data: bytes, source: str) -> bool:
        feed.source = feed.source or source
        return True

    monkeypatch.setattr(TsDatagrams, "_admit", admit_everyone)
    with pytest.raises(Violation) as found:
        seen(FEED, beside_another, FEEDS[0])
    assert found.value.invariant == "KeyframeFirst"


async def for_a_while(world: World, _publisher: PublishingPeer, _viewer: ViewingPeer) -> None:
    await world.pass_time(18 * NS_PER_S)


@pytest.mark.parametrize("key", FEEDS)
def test_segments_have_every_frame_once(key: int) -> None:
    """From the oldest segment on, and up to what is not whole yet; one key has MP4, the other transport streams."""
    sights = seen((RtmpPublisher, HlsViewer), for_a_while, key)
    for kind, least in ((Kind.VIDEO, 160), (Kind.AUDIO, 62)):
        shown = [sight for sight in sights if sight.kind is kind]
        assert len(shown) > least
        assert [sight.number for sight in shown] == sorted({sight.number for sight in shown})
        assert [sight.leap for sight in shown].count(True) == 0
