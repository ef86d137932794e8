"""Faults: what may go wrong. Each looks for somebody it can happen to, makes it happen, and says what it did."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.script.faults import actors_of, strike
from arcly_actors.simulation.camera import PICTURES
from arcly_actors.simulation.crashes import TARGETS, dials, may_fail, served_by, supervised, swept, unseated
from arcly_actors.simulation.peer import Peer, PublishingPeer
from arcly_actors.simulation.rtc_peer import RtcPeer
from arcly_actors.simulation.whep import WhepViewer
from arcly_actors.simulation.world import World

PeerT = TypeVar("PeerT", bound=Peer)
Fault = Callable[[World], str]
"""Does it and says what; "" when there is nobody it could happen to."""


def _one(world: World, peers: Sequence[PeerT], fault: str) -> PeerT | None:
    able = [peer for peer in peers if fault in peer.faults and not peer.over]
    return world.chance.one(able) if able else None


def cut(world: World) -> str:
    """A connection is lost."""
    peer = _one(world, [*world.publishers, *world.viewers], "cut")
    if peer is None:
        return ""
    peer.cut()
    return f"cut {peer.name}"


_STALLS: Mapping[tuple[float, float], float] = {(0.02, 0.3): 2, (0.55, 0.8): 3, (1, 4): 2}
"""How long a stall is, as a share of how far a viewer may lag: nothing is missing, it skips, or it may be put out."""


def stall(world: World) -> str:
    """A viewer reads nothing for a while; when that is longer than it may lag, it may be put out."""
    viewer = _one(world, [each for each in world.viewers if each.began and not each.stalled], "stall")
    if viewer is None:
        return ""
    most = world.policy(viewer.key).max_lag_ns
    low, high = world.chance.weighted(_STALLS)
    length = world.chance.whole(round(low * most), round(high * most))
    if high > 1:
        viewer.excuse("too slow")
    viewer.stall()

    def go_on() -> None:
        if not viewer.over:
            viewer.trouble = world.now
            viewer.resume()

    world.later(length, go_on)
    return f"stall {viewer.name} for {length / NS_PER_S:.2f} s"


def garbage(world: World) -> str:
    """A peer sends bytes that mean nothing."""
    peer = _one(world, [*world.publishers, *world.viewers], "garbage")
    if peer is None:
        return ""
    peer.excuse("garbage")
    size = world.chance.whole(1, 2000)
    peer.babble(world.chance.data(size))
    return f"{size} bytes of garbage from {peer.name}"


def jitter(world: World) -> str:
    """A path becomes slow and uneven."""
    peer = _one(world, [*world.publishers, *world.viewers], "jitter")
    if peer is None:
        return ""
    latency, spread = world.chance.whole(0, 300) * NS_PER_MS, world.chance.whole(0, 400) * NS_PER_MS
    peer.trouble = world.now
    peer.slow_down(latency, spread)
    return f"{peer.name} is {latency // NS_PER_MS} to {(latency + spread) // NS_PER_MS} ms away"


def loss(world: World) -> str:
    """A path loses datagrams."""
    peer = _one(world, [*world.publishers, *world.viewers], "loss")
    if peer is None:
        return ""
    lost, doubled = world.chance.between(0, 0.2), world.chance.between(0, 0.1)
    peer.lose(lost, doubled)
    peer.trouble = world.now
    return f"{peer.name} loses {lost:.0%} of its datagrams"


def storm(world: World) -> str:
    """A viewer asks for keyframes all the time."""
    able = [each for each in world.viewers if isinstance(each, WhepViewer) and each.began]
    viewer = _one(world, able, "storm")
    if viewer is None:
        return ""
    count, span = world.chance.whole(10, 200), world.chance.whole(0, 5) * NS_PER_S
    viewer.storm(count, span)
    return f"{viewer.name} asks for {count} keyframes in {span // NS_PER_S} s"


def silence(world: World) -> str:
    """A publisher sends nothing for a while; past the idle time-out it may lose its slot."""
    publisher = _one(world, [each for each in world.publishers if each.began and not each.silent], "silence")
    if publisher is None:
        return ""
    idle = world.policy(publisher.key).idle_ns
    length = world.chance.whole(idle, 2 * idle) if world.chance.happens(0.3) else world.chance.whole(NS_PER_S, idle // 2)
    if length >= idle:
        publisher.excuse("silent")
    publisher.silent = True

    def go_on() -> None:
        publisher.silent = False
        publisher.trouble = world.now

    world.later(length, go_on)
    return f"{publisher.name} is silent for {length / NS_PER_S:.2f} s"


def abandon(world: World) -> str:
    """A publisher's machine goes down without a word: its connection stays, and nothing comes."""
    publisher = _one(world, [each for each in world.publishers if each.began and not each.silent], "silence")
    if publisher is None or not world.chance.happens(0.5):
        return ""
    publisher.excuse("its machine is down")
    publisher.silent = True
    publisher.stall()
    return f"{publisher.name} is gone without a word"


def picture(world: World) -> str:
    """A publisher changes its codec or resolution."""
    able = [each for each in world.publishers if each.began and each.camera.picture is not None]
    publisher = _one(world, able, "picture")
    if publisher is None:
        return ""
    chosen = world.chance.one([track for track in PICTURES if track != publisher.camera.picture])
    publisher.change(chosen)
    return f"{publisher.name} changes to {chosen.codec} {chosen.width}x{chosen.height}"


JUMPS = (3600 * NS_PER_S, -3600 * NS_PER_S, 11 * NS_PER_S, 7 * NS_PER_S, 2 * NS_PER_S, -2 * NS_PER_S, -500 * NS_PER_MS)


def time(world: World) -> str:
    """A publisher's timestamps jump, or start over."""
    publisher = _one(world, [each for each in world.publishers if each.began], "time")
    if publisher is None:
        return ""
    jump = world.chance.one(JUMPS)
    publisher.camera.jump(jump)
    return f"the timestamps of {publisher.name} jump by {jump / NS_PER_S:g} s"


def keyframes(world: World) -> str:
    """A publisher makes its GOPs longer or shorter, or no more keyframes."""
    able = [each for each in world.publishers if each.began and each.camera.opened]
    publisher = _one(world, able, "keyframes")  # who never makes one counts as silent
    if publisher is None:
        return ""
    publisher.camera.gop = world.chance.one((0, 1, 5, 25, 100))
    return f"{publisher.name} makes a keyframe every {publisher.camera.gop} pictures"


def clock(world: World) -> str:
    """The wall clock is set forward."""
    jump = world.chance.whole(1, 3600) * NS_PER_S
    world.clock.step(jump)
    world.note("clock", {"jump": jump})
    return f"the wall clock jumps by {jump // NS_PER_S} s"


def elsewhere(world: World) -> str:
    """On the way to a server elsewhere a connection is cut, or for a while dials are refused, or nothing comes."""
    far = world.elsewhere
    if far is None:
        return ""
    far.touch()
    between, standing = far.between, far.between.standing
    if standing and world.chance.happens(0.4):
        between.cut(world.chance.whole(0, len(standing) - 1))
        return "a connection that was dialled is cut"
    length = world.chance.whole(NS_PER_S, 15 * NS_PER_S)
    refused = world.chance.happens(0.5)
    between.refusing, far.silent, between.silent = refused, not refused, not refused
    if refused and standing:
        between.cut(world.chance.whole(0, len(standing) - 1))

    def go_on() -> None:
        between.refusing = far.silent = between.silent = False
        far.touch()

    world.later(length, go_on)
    return f"elsewhere {'nobody answers' if refused else 'all is silent'} for {length / NS_PER_S:.2f} s"


def end(world: World) -> str:
    """An operator ends a stream."""
    if not world.holders or not world.chance.happens(0.3):
        return ""
    key = world.chance.one(sorted(world.holders))
    for peer in (*world.publishers, *world.viewers):
        if peer.key == key:
            peer.excuse("an operator ended the stream")
    world.end_stream(key)
    return f"an operator ends {key}"


def crashes(world: World) -> str:
    """An actor fails; now and then several of its kind, or the same one again and again."""
    target = world.chance.one(list(TARGETS))
    times = world.chance.whole(2, 8) if world.chance.happens(0.1) else 1
    done = ""
    for _ in range(times):
        refs = actors_of(world.engine.built.system, target)
        able = [index for index, ref in enumerate(refs) if may_fail(ref)]
        if not able:
            break
        index = world.chance.one(able)
        key, address = served_by(refs[index])
        name = supervised(refs[index])
        _blame(world, target, key, address, name)
        if not dials(refs[index]):
            _blame_all(world, target)
        world.note("crash", {"actor": target, "which": index})
        strike(refs[index], target)
        done = f"crash {times} x {target}" + (f" of {key or address or name}" if key or address or name else "")
    return done


def _blame(world: World, target: str, key: StreamKey | None, address: str, supervisor: str) -> None:
    """Whoever is served by an actor that fails knows it."""
    world.count(f"crash {target}")
    if not address:
        world.troubled(key)
    if not address and world.elsewhere is not None:
        world.elsewhere.touch()
    _blame_under(world, supervisor)
    for peer in (*world.publishers, *world.viewers):
        if target == peer.port:
            peer.lost()
        inside = address == "in-process" and peer.protocol == "python" and peer.key == key
        if str(peer.address) == address or inside:
            peer.trouble = world.now
            peer.crashes += 1
            peer.crashed(target)
            ends = TARGETS[target] and target not in peer.outlives
            if ends and (target != "publisher" or isinstance(peer, PublishingPeer)):
                peer.excuse(f"its {target} crashed")
                peer.doomed = peer.doomed or world.now
            elif peer.crashes > 5:
                peer.excuse(f"its {target} crashed too often")


def _blame_all(world: World, target: str) -> None:
    """Some serve more than one."""
    for peer in (*world.publishers, *world.viewers):
        if target == "site" and peer.door == "http" and peer.began is None:  # requests end with it, streams do not
            peer.excuse("its site crashed")
        if target == "webrtc-port" and isinstance(peer, RtcPeer):
            peer.port_crashed()
        if target == "srt-port" and peer.door == "srt":
            peer.excuse("its port crashed")
            peer.doomed = peer.doomed or world.now


def _blame_under(world: World, supervisor: str) -> None:
    """With a supervisor goes what is under it."""
    for peer in (*world.publishers, *world.viewers):
        if swept(supervisor, peer):
            peer.excuse("its endpoint crashed")
            if peer.port == "feed":  # it has no connection, and goes on
                peer.lost()
            else:
                peer.doomed = peer.doomed or world.now
        elif unseated(supervisor, peer):
            peer.excuse("its stream's supervisor crashed")
        elif supervisor == "http" and peer.door == "http" and peer.began is None:
            peer.excuse("its site crashed")


FAULTS: Mapping[Fault, float] = {
    cut: 3,
    stall: 3,
    garbage: 1,
    jitter: 2,
    loss: 1,
    storm: 1,
    silence: 2,
    abandon: 1,
    picture: 2,
    time: 2,
    keyframes: 2,
    clock: 0.5,
    elsewhere: 2,
    end: 0.5,
    crashes: 6,
}
"""How often each of them is tried."""
