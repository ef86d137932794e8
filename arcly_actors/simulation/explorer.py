"""The explorer: decides, by the seed alone, who comes, who goes and what goes wrong."""

from dataclasses import dataclass
from typing import Final

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.simulation.camera import OPUS, PICTURES, SOUND, Camera
from arcly_actors.simulation.faults import FAULTS
from arcly_actors.simulation.peer import PublishingPeer, ViewingPeer
from arcly_actors.simulation.protocols import PUBLISHERS, VIEWERS
from arcly_actors.simulation.world import World
from arcly_actors.transport.addresses import Address


@dataclass(frozen=True, slots=True)
class Plan:
    """How busy a world is: most viewers at once, faults per minute, and how long a peer stays (s, on average)."""

    viewers: int = 20
    faults: float = 12.0
    stay: float = 60.0


PACES: Final = {(40, 256): 0.25, (100, 256): 1.0, (250, 256): 2.0, (500, 512): 5.0}
"""How far apart pictures and sounds are, in ms. What goes wrong between frames does so at any pace; fast streams are for
what is bounded by a number of frames, and cost as much more."""

GOPS: Final = {0.0: 1.0, 0.04: 1.0, 0.8: 2.0, 2.0: 4.0, 5.0: 3.0, 20.0: 1.0}
"""How many s from keyframe to keyframe, and at least a picture; 0: one at the beginning, then none unless asked."""

STEP: Final = (20 * NS_PER_MS, 480 * NS_PER_MS)
_LONG_GOP: Final = 3 * NS_PER_S
_STEPS_PER_MINUTE: Final = 60 * NS_PER_S / ((STEP[0] + STEP[1]) / 2)


class Explorer:
    """Makes one step after the other; `done` says what they were."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._chance = world.chance
        self._named = 0
        doors = {kind.door for kind in (*PUBLISHERS, *VIEWERS)}
        self._doors = {each for each in doors if not each or world.address(each) is not None}
        self.done: list[tuple[int, str]] = []

    def step(self) -> None:
        """Do something, or nothing."""
        chance, world = self._chance, self._world
        for key in world.keys:
            there = [each for each in world.publishers if each.key == key]
            share = 0.01 if there else 0.15
            if chance.happens(share):
                self._publish(key)
        viewers = len(world.viewers)
        for _ in range(2):
            if chance.happens(0.6 * (1 - viewers / self._plan.viewers)):
                self._view()
        peers = (*world.publishers, *world.viewers)
        if peers and chance.happens(len(peers) / (self._plan.stay * _STEPS_PER_MINUTE / 60)):
            peer = chance.one(peers)
            self._say(f"{peer.name} leaves")
            peer.leave()
        if chance.happens(self._plan.faults / _STEPS_PER_MINUTE):
            self._fault()

    def span(self) -> int:
        """How long the next step takes, in ns."""
        return self._chance.whole(*STEP)

    def _fault(self) -> None:
        fault = self._chance.weighted(FAULTS)
        did = fault(self._world)
        if did:
            self._world.count(f"fault {fault.__name__}")
            self._say(did)

    def _publish(self, key: object) -> None:
        chance, world = self._chance, self._world
        parsed = next(each for each in world.keys if each is key)
        able = {
            protocol: weight
            for protocol, weight in PUBLISHERS.items()
            if protocol.door in self._doors and protocol.serves(world, parsed)
        }
        kind = chance.weighted(able)
        name = self._name(f"{kind.protocol}-publisher")
        peer: PublishingPeer = kind(world, name, parsed, self._address(), self._camera(name, kind))
        self._say(f"{name} publishes {parsed}")
        world.enter(peer)

    def _view(self) -> None:
        chance, world = self._chance, self._world
        live = sorted(world.holders)
        key = chance.one(live) if live and chance.happens(0.95) else chance.one(world.keys)
        able = {protocol: weight for protocol, weight in VIEWERS.items() if protocol.door in self._doors}
        kind = chance.weighted(able)
        name = self._name(f"{kind.protocol}-viewer")
        peer: ViewingPeer = kind(world, name, key, self._address())
        self._say(f"{name} views {key}")
        world.enter(peer)

    def _camera(self, name: str, kind: type[PublishingPeer]) -> Camera:
        chance, world = self._chance, self._world
        picture = chance.one(PICTURES) if kind.needs_picture or chance.happens(0.95) else None
        sound = chance.one((SOUND, OPUS)) if picture is None or chance.happens(0.7) else None
        every, sound_every = (ms * NS_PER_MS for ms in chance.weighted(PACES))
        span = round(chance.weighted(GOPS) * NS_PER_S)
        gop = max(1, round(span / every)) if span else 0
        # A publisher whose keyframe never comes, and who cannot be asked, is taken for one that sends nothing.
        begins = chance.happens(0.8) or not (kind.answers or 0 < gop * every < _LONG_GOP)
        return Camera(
            name,
            chance,
            world.journal.take_down,
            world.number,
            picture,
            sound,
            picture_every=every,
            sound_every=sound_every,
            gop=gop,
            begins_with_keyframe=begins,
            behind=chance.weighted({0: 6, 3600 * NS_PER_S: 1, 4_294_960 * NS_PER_S: 1}),
        )

    def _name(self, of: str) -> str:
        self._named += 1
        return f"{of}-{self._named}"

    def _address(self) -> Address:
        number = self._named
        return Address(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40000 + number % 20000)

    def _say(self, what: str) -> None:
        self.done.append((self._world.elapsed, what))
