"""Peers: the one interface of everything that comes to the engine from outside, whatever protocol it speaks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from arcly_actors.bus.key import StreamKey
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.simulation.camera import Camera, number_of
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class Sight(NamedTuple):
    """A frame as a viewer got it: `dts` in ns on the clock that its protocol gave it, unwrapped."""

    number: int
    kind: Kind
    keyframe: bool
    dts: int
    at: int
    leap: bool = False
    """Whether its viewer was told that something of its kind may be missing before it."""


@dataclass(slots=True)
class Fate:
    """How a peer ended: by whom ("us", "engine"), when, and what it was told."""

    by: str
    at: int
    told: str = ""


class Peer:
    """A publisher or viewer of one stream. A peer is used once: who comes back is another one.

    `excuses` say why the engine may end it: each is an own fault or something that the operator wanted. `trouble` is when
    a fault last touched it (ns), for what may take a while afterwards; `doomed` when something failed that it ends with.
    `lossy`: its path loses datagrams, so frames may be missing that nobody skipped. `patience` is for how long
    one that is gone without a word may linger (ns).
    """

    protocol: ClassVar[str] = ""
    door: ClassVar[str] = ""
    faults: ClassVar[frozenset[str]] = frozenset()
    """Names of faults (see `simulation.faults`) that mean something to it."""
    outlives: ClassVar[frozenset[str]] = frozenset()
    """Kinds of actors after whose crash it goes on, though others of its kind would not."""

    port: ClassVar[str] = ""
    """What `simulation.crashes` calls the actor that takes its datagrams: some are lost when that fails."""

    def __init__(self, world: "World", name: str, key: StreamKey, address: Address) -> None:
        self.world = world
        self.name = name
        self.key = key
        self.address = address
        self.born = world.now
        self.began: int | None = None
        self.fate: Fate | None = None
        self.excuses: list[str] = []
        self.crashes = 0
        self.doomed: int | None = None
        self.lossy = False
        self.trouble = 0
        self.patience = 0

    def __repr__(self) -> str:
        state = self.fate or ("on since " + str(self.began) if self.began is not None else "joining")
        return f"{self.name} ({self.protocol}, {self.key}, {self.address}: {state})"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.fate is not None

    @property
    def lingers(self) -> bool:
        """Whether the engine still counts on it, though it is gone without a word."""
        return False

    def start(self) -> None:
        """Connect, and do what it is for."""
        raise NotImplementedError

    def leave(self) -> None:
        """End it properly."""
        raise NotImplementedError

    def cut(self) -> None:
        """Its connection breaks."""
        raise NotImplementedError

    def stall(self) -> None:
        """It reads nothing from here on."""

    def resume(self) -> None:
        """It reads again."""

    def babble(self, data: bytes) -> None:
        """It sends bytes that mean nothing."""
        del data

    def slow_down(self, latency: int, jitter: int) -> None:
        """Its path takes so long, in ns."""
        del latency, jitter

    def lose(self, loss: float, doubled: float) -> None:
        """Of its datagrams this share gets lost, and that share comes twice."""
        del loss, doubled

    def lost(self) -> None:
        """Some of its datagrams have not arrived, or will not."""
        self.lossy = True

    def crashed(self, target: str) -> None:
        """An actor of this kind that serves it has failed."""
        del target

    def excuse(self, why: str) -> None:
        """The engine may end it from here on."""
        if why not in self.excuses:
            self.excuses.append(why)
        self.trouble = self.world.now

    def end(self, by: str, told: str = "") -> None:
        """It has ended; the first word stands."""
        if self.fate is None:
            self.fate = Fate(by, self.world.now, told)
            self.world.ended(self)


class PublishingPeer(Peer):
    """A publisher: it films with `camera` from when it has the slot until it leaves."""

    needs_picture: ClassVar[bool] = False
    answers: ClassVar[bool] = False
    """Whether its protocol can ask it for a keyframe."""

    def __init__(self, world: "World", name: str, key: StreamKey, address: Address, camera: Camera) -> None:
        super().__init__(world, name, key, address)
        self.camera = camera
        self.silent = False

    @classmethod
    def serves(cls, world: "World", key: StreamKey) -> bool:
        """Whether it can publish this key."""
        del world, key
        return True

    def publish(self) -> None:
        """The slot is ours: film."""
        if self.began is None:
            self.began = self.world.now
            self._film()

    def send(self, camera: Camera) -> None:
        """Send what the camera shoots."""
        raise NotImplementedError

    def look(self) -> None:
        """It has nothing to send now."""

    def change(self, picture: Track) -> None:
        """Go on with another codec or resolution."""
        self.camera.change(picture)

    def _film(self) -> None:
        if self.over:
            return
        if not self.silent:
            self.send(self.camera)
        else:
            self.look()
        self.world.later(self.camera.every, self._film)


class ViewingPeer(Peer):
    """A viewer: `seen` is what it got since it was looked at last.

    `codecs` are those that it is sent by kind, None: whatever there is. `tells_tracks`: its protocol describes a stream
    before it is played.
    """

    tells_tracks: ClassVar[bool] = False
    delayed: ClassVar[bool] = False
    """Whether its frames come many at once, when a segment is whole."""
    ends_with_the_next: ClassVar[bool] = False
    """Whether a frame is known to be whole only when the next of its track begins, as in a transport stream."""
    apart: ClassVar[bool] = False
    """Whether its tracks go different ways, so that the first frames of one may come before earlier ones of another."""
    sure_of_keyframes: ClassVar[bool] = False
    """Whether it shows no picture without its keyframe, whatever is lost."""
    together: ClassVar[bool] = True
    """Whether pictures and sound begin at one place of the stream."""

    def __init__(self, world: "World", name: str, key: StreamKey, address: Address) -> None:
        super().__init__(world, name, key, address)
        self.seen: list[Sight] = []
        self.codecs: dict[Kind, CodecId] | None = None
        self.stalled = False
        self.stalls = 0

    @property
    def owed_since(self) -> int:
        """What was put on the stream before may have been lost on its way (ns)."""
        return 0

    @property
    def repeats(self) -> bool:
        """Whether it may be shown a GOP once more."""
        return False

    def watch(self) -> None:
        """The engine lets us."""
        if self.began is None:
            self.began = self.world.now

    def see(self, kind: Kind, dts: int, payload: bytes, *, keyframe: bool, leap: bool = False) -> None:
        """A frame came."""
        number = number_of(payload)
        if number is not None:
            self.seen.append(Sight(number, kind, keyframe, dts, self.world.now, leap))
