"""HLS viewers: players that ask for playlists, and for each segment that is new in them, on a connection that is kept."""

import re
from collections import deque
from typing import NamedTuple

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.ingest.ts_source import TsSource
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.simulation.engine_peer import LinkedViewer
from arcly_actors.simulation.fmp4 import Fmp4, Sample

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"-(\d+)\.")
_TRIES = 8


class _Listed(NamedTuple):
    """A segment of a playlist: its number, and what it needs."""

    number: int
    name: str
    init: str
    discontinuity: bool


class HlsViewer(LinkedViewer):
    """Plays from the oldest segment on.

    Who could not keep up with the window leaves, and so does who finds another stream under the key; otherwise a segment
    that is not to be had is a defect. Frames may be missing where a discontinuity is told, and nowhere else.
    """

    protocol = "hls"
    door = "http"
    delayed = True
    apart = True

    def start(self) -> None:
        """See `Peer`."""
        self._asked = ""
        self._answer = bytearray()
        self._wanted: deque[str] = deque()
        self._listed: dict[str, _Listed] = {}
        self._inits: dict[str, Fmp4] = {}
        self._next: int | None = None
        self._leaps: set[Kind] = set()
        self._tries = 0
        self._late = False
        self._life = self.world.journal.current(self.key)
        self.connect()
        self._ask("index.m3u8")

    # -- asking -------------------------------------------------------------------------------------------------------

    def _ask(self, name: str) -> None:
        if self.over:
            return
        self._asked = name
        self._answer.clear()
        self.link.send(f"GET /{self.key}/{name} HTTP/1.1\r\nHost: simulation\r\n\r\n".encode())

    def _ask_next(self) -> None:
        if self._wanted:
            self._ask(self._wanted.popleft())
        elif not self.over:
            self.world.later(NS_PER_S, self._ask, "media.m3u8")

    def received(self, data: bytes) -> None:
        """See `link.Ends`."""
        if self.over or not self._asked:
            return  # to garbage, and to what was asked before a link was lost, there are answers, too
        self._answer += data
        head, end, body = bytes(self._answer).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        asked, self._asked = self._asked, ""
        if head.startswith(b"HTTP/1.1 200 "):
            self._tries = 0
            self._take(asked, body)
        elif head.startswith(b"HTTP/1.1 503 ") and self._tries < _TRIES:
            self._tries += 1
            self.world.later(NS_PER_S // 2, self._ask, asked)
        else:
            self._refused(asked, f"{head[9:12].decode()}: {body.decode()}".strip())

    def ended(self) -> None:
        """See `link.Ends`: it comes again, for what it has not got."""
        if self.over:
            return
        self._tries += 1
        if self._tries > _TRIES or self.excuses:
            self.end("engine", "closed")
        else:
            self.world.later(NS_PER_S // 2, self._come_again)

    def _come_again(self) -> None:
        if self.over:
            return
        stalled = self.link.stalled
        latency, jitter = self.link.latency, self.link.jitter
        self.connect_again()
        self.link.latency, self.link.jitter = latency, jitter
        if stalled:
            self.link.stall()
        if self._asked:
            self._ask(self._asked)

    def connect_again(self) -> None:
        """Open another link; it is turned away as often as it may try."""
        self.link = type(self.link)(self.world, self.door, self.address, self)
        if not self.link.open():
            self._late = True
            self.ended()

    # -- answers ------------------------------------------------------------------------------------------------------

    def _take(self, asked: str, body: bytes) -> None:
        if asked == "index.m3u8":
            self._wanted.append("media.m3u8")
        elif asked == "media.m3u8":
            self.watch()
            self._read_playlist(body.decode())
        elif asked.startswith("init-"):
            self._inits = {asked: Fmp4(body)}
        else:
            self._play(self._listed.pop(asked), body)
        if not self.over:
            self._ask_next()

    def _refused(self, asked: str, told: str) -> None:
        if "connections are in use" in told:
            self.end("us", told)
        elif self.began is None:
            waited = self.world.now - self.born >= limits.HLS_WAIT
            self.end("us" if waited else "engine", told)  # no segment of it was whole so soon
        elif asked == "media.m3u8" and self._life is not None and not self._life.over:
            self.end("engine", told)
        else:
            self._miss(f"{asked}: {told}")

    def _miss(self, what: str) -> None:
        """A segment is not to be had."""
        slow = self._late or self.link.latency + self.link.jitter > 100 * NS_PER_MS
        other = self._life is None or self._life is not self.world.journal.current(self.key)
        troubled = self.world.now - max(self.trouble, self.world.trouble(self.key)) < 30 * NS_PER_S
        if slow or other or troubled or self.stalls:
            self.end("us", what)
        else:
            self.world.strange(f"{self}: {what}")
            self.end("engine", what)

    def _read_playlist(self, text: str) -> None:
        listed = list(_segments(text))
        new = [each for each in listed if self._next is None or each.number >= self._next]
        if new and self._next is not None and new[0].number != self._next:
            self._miss(f"{self._next} was due, and the playlist begins with {new[0].number}")
            return
        known = set(self._inits)
        for each in new:
            if each.init and each.init not in known:
                self._wanted.append(each.init)
                known.add(each.init)
            self._wanted.append(each.name)
            self._listed[each.name] = each
            self._next = each.number + 1
        if not new and "#EXT-X-ENDLIST" in text:
            self.link.close()
            had_ended = self._life is None  # before it came, but what there was of it is still served
            self.end("us" if had_ended else "engine", "the stream ended")

    def _play(self, listed: _Listed, data: bytes) -> None:
        if listed.discontinuity:
            self._leaps = {Kind.VIDEO, Kind.AUDIO}
        samples = self._inits[listed.init].samples(data) if listed.init else _samples(data, self.world.now)
        for sample in samples:
            leap = sample.kind in self._leaps
            self._leaps.discard(sample.kind)
            self.see(sample.kind, sample.dts, sample.payload, keyframe=sample.keyframe, leap=leap)

    def stall(self) -> None:
        """See `Peer`."""
        self._late = True
        super().stall()


class _Reading(NamedTuple):
    init: str = ""
    discontinuity: bool = False


def _segments(text: str) -> "deque[_Listed]":
    """The segments of a media playlist."""
    found: deque[_Listed] = deque()
    reading = _Reading()
    for line in text.splitlines():
        if line.startswith("#EXT-X-MAP:"):
            reading = reading._replace(init=line.split('"')[1])
        elif line == "#EXT-X-DISCONTINUITY":
            reading = reading._replace(discontinuity=True)
        elif line and not line.startswith("#"):
            number = _NUMBER.search(line)
            if number is not None:
                found.append(_Listed(int(number[1]), line, reading.init, reading.discontinuity))
            reading = reading._replace(discontinuity=False)
    return found


def _samples(data: bytes, now: int) -> list[Sample]:
    """The frames of a segment that is a transport stream."""
    source = TsSource()
    items = [*source.receive(data, now), *source.flush(now)]
    frames = [item for _, item in items if isinstance(item, MediaFrame)]
    return [Sample(frame.track.kind, frame.dts, frame.keyframe, frame.payload) for frame in frames]
