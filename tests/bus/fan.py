"""A channel with a fan-out, no actors: frames go in by hand, and what each viewer got is read back as tokens."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.fanout import Fanout, WriteAll
from arcly_actors.bus.gop import GopCache
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.place import Place
from arcly_actors.bus.policy import ApplicationPolicy, Join
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System
from arcly_actors.transport.outlet import write_all
from tests.bus.frames import BOTH, STEP_MS, video
from tests.support.outlets import MemoryOutlet
from tests.support.virtual import pass_time

KEY = StreamKey("live", "cam")


class TokenEncoder:
    """Writes what it is told as text; `broken` makes it raise."""

    def __init__(self) -> None:
        self.frames = 0
        self.broken = False

    def opening(self, tracks: Sequence[Track], metadata: Mapping[str, str], dts: int) -> bytes:
        return b"<open %d>" % (dts // NS_PER_MS) + self._tracks(tracks)

    def follow(self, tracks: Sequence[Track]) -> None:
        self.tracks = tuple(tracks)

    def configuration(self, track: Track, dts: int) -> bytes:
        return self._tracks((track,))

    def frame(self, frame: MediaFrame) -> bytes:
        if self.broken:
            raise ValueError("the encoder is broken")
        self.frames += 1
        return frame.payload

    def ending(self) -> bytes:
        return b"<end>"

    def _tracks(self, tracks: Sequence[Track]) -> bytes:
        return b"".join(b"<conf %d.%d>" % (track.id, track.version) for track in tracks)


class Seat:
    """A viewer: its outlet, its place, what it was told."""

    def __init__(self, join: Join, room: int | None) -> None:
        self.outlet = MemoryOutlet(room)
        self.place = Place(self.outlet, self, join)
        self.skips: list[int] = []
        self.out: tuple[Refusal, str] | None = None

    def lagged(self, frames: int) -> None:
        self.skips.append(frames)

    def evicted(self, refusal: Refusal, detail: str) -> None:
        self.out = (refusal, detail)

    @property
    def tokens(self) -> list[str]:
        """Everything written: ``<open ms>``, ``<conf track.version>``, ``K40``, ``p80``, ``a20``."""
        return tokens(self.outlet.received)

    @property
    def frames(self) -> list[str]:
        """The frames alone."""
        return [token for token in self.tokens if not token.startswith("<")]


def tokens(data: bytes) -> list[str]:
    """What `TokenEncoder` wrote."""
    return [token.decode() for token in re.findall(rb"<[^>]*>|[Kpa][\d.e+-]+(?=;)", data)]


class Fan:
    """The channel, its fan-out, and a GOP cache that is always up to date."""

    def __init__(self, system: System, policy: ApplicationPolicy | None = None) -> None:
        self.system = system
        self.channel = Channel(KEY, policy or ApplicationPolicy())
        self.channel.tracks = BOTH
        self.cache = GopCache(self.channel.policy.gop)
        self.encoder = TokenEncoder()
        self.feed = self.channel.encoded("tokens", lambda: self.encoder)
        self.fanout = self.feed.fanout = Fanout(system, self.channel, self.feed, cast("WriteAll", write_all))
        self.clock = 0

    def append(self, frame: MediaFrame) -> None:
        """Log a frame as it is."""
        position = self.channel.append(frame, self.system.clock.monotonic_ns())
        self.cache.add(position, frame, with_video=self.channel.has_video)
        self.channel.anchor_at(self.cache.anchor)

    def send(self, count: int, *, gop: int = 5, size: int = 0) -> list[str]:
        """Log pictures that go on from those before, at once; their tokens."""
        sent = []
        for _ in range(count):
            frame = video(self.clock * STEP_MS, key=self.clock % gop == 0, size=size)
            self.append(replace(frame, arrival=self.system.clock.monotonic_ns()))
            sent += tokens(frame.payload)
            self.clock += 1
        return sent

    async def play(self, count: int, *, gop: int = 5, size: int = 0) -> list[str]:
        """Likewise, one every 40 ms."""
        sent = []
        for _ in range(count):
            sent += self.send(1, gop=gop, size=size)
            await pass_time(STEP_MS * NS_PER_MS)
        return sent

    async def settle(self) -> None:
        """Let every flush that is due happen."""
        await pass_time(400 * NS_PER_MS)

    def join(self, join: Join = Join.INSTANT, *, room: int | None = None) -> Seat:
        """A new viewer."""
        seat = Seat(join, room)
        self.fanout.attach(seat.place)
        return seat
