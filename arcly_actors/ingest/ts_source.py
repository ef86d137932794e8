"""MPEG-TS to tracks and frames: what SRT, UDP, RTP and files that carry it have in common. Pure.

    source = TsSource()                              # the first programme; `program=7`, or `every=True`
    for program, item in source.receive(datagram, now):
        ...                                          # TracksGathered | MediaFrame | TsNotice
    source.wake(now)                                 # at `wake_at`, if nothing came
    source.flush(now)                                # at the end

To the bus, give each programme a `TsPublisher` (`ingest/ts.py`) and tell it ``TsItems((item, …))``.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeAlias

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe, evolve, learn
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.data import Metadata
from arcly_actors.media.mpegts.demuxer import TsDemuxer
from arcly_actors.media.mpegts.events import (
    ClockJumped,
    ContinuityLost,
    ProgramChanged,
    ProgramEnded,
    Scrambled,
    TsEvent,
    Unit,
)
from arcly_actors.media.mpegts.kinds import Carriage
from arcly_actors.media.mpegts.pictures import Pictures
from arcly_actors.media.mpegts.piece import Piece
from arcly_actors.media.mpegts.sound import Sound
from arcly_actors.media.mpegts.tables import ElementaryStream, ProgramMap

Assembler: TypeAlias = Pictures | Sound | Metadata
TsNotice: TypeAlias = ProgramChanged | ProgramEnded | ContinuityLost | ClockJumped | Scrambled
"""What is told beside the media: `ProgramChanged` before the tracks of a programme, `ProgramEnded` as its last word."""

TsItem: TypeAlias = TracksGathered | MediaFrame | TsNotice
"""What comes out of a programme, in order."""

_NEEDS_CONFIGURATION: Final = frozenset({CodecId.H264, CodecId.H265, CodecId.AAC})
_SELF_DESCRIBED: Final = frozenset({CodecId.AC3, CodecId.EAC3, CodecId.MP3})


def assembler(stream: ElementaryStream, counts: Counter[str]) -> Assembler:
    """What makes frames of the units of a stream that is carried."""
    kind = stream.kind
    assert kind is not None
    if kind.carriage is Carriage.ANNEX_B:
        return Pictures(kind.codec, counts)
    if kind.codec.kind is Kind.AUDIO:
        return Sound(kind.carriage, kind.detail, counts)
    return Metadata(kind.carriage, counts)


class _Program:
    """One programme's tracks.

    They are told together once each stream of pictures and sound has been heard of, or after
    `limits.TS_GATHERING`; frames wait until then. A track keeps its id for as long as the programme has it, and one
    that takes the place of another of its kind takes its id, so that viewers go on.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._assemblers: dict[int, Assembler] = {}
        self._tracks: dict[int, Track] = {}  # by PID
        self._known: set[int] = set()  # PIDs whose track can be told
        self._told: tuple[Track, ...] = ()
        self._held: list[MediaFrame] = []
        self._since: int | None = None
        self.dropped = 0

    @property
    def waits_since(self) -> int | None:
        """When the first frame came that still waits for other tracks; None when none does."""
        return self._since if self._held else None

    def change(self, pmt: ProgramMap) -> list[TracksGathered | MediaFrame]:
        """The programme consists of these streams now; what the old ones still had comes out."""
        streams = {stream.pid: stream for stream in pmt.carried[: limits.MAX_TRACKS]}
        codecs = {pid: stream.kind.codec for pid, stream in streams.items() if stream.kind}
        gone = [pid for pid, track in self._tracks.items() if codecs.get(pid) is not track.codec]
        freed = [self._forget(pid) for pid in gone]
        for pid, stream in streams.items():
            if pid not in self._tracks:
                self._assemblers[pid] = assembler(stream, self._counts)
                self._tracks[pid] = self._numbered(codecs[pid], stream.language, freed)
                if codecs[pid] not in _NEEDS_CONFIGURATION | _SELF_DESCRIBED:
                    self._learn(pid, b"", self._assemblers[pid].configuration)
                    self._known.add(pid)
        self._held = [frame for frame in self._held if frame.track.id in {each.id for each in self._tracks.values()}]
        return self._tell() if self._told else []

    def take(self, unit: Unit, now: int) -> list[TracksGathered | MediaFrame]:
        """A unit of one of its streams, which came at `now`."""
        made = self._assemblers.get(unit.stream.pid)
        return [] if made is None else self._pieces(unit.stream.pid, made.push(unit), now)

    def wake(self, now: int) -> list[TracksGathered | MediaFrame]:
        """Time went by."""
        if self._told or self._since is None or not self._ready(now):
            return []
        held, self._held = self._held, []
        return [*self._tell(), *held]

    def flush(self, now: int) -> list[TracksGathered | MediaFrame]:
        """The stream is over."""
        found = [item for pid, made in self._assemblers.items() for item in self._pieces(pid, made.flush(), now)]
        if self._told or not self._held:
            return found
        held, self._held = self._held, []
        return [*found, *self._tell(), *held]

    def _forget(self, pid: int) -> Track:
        del self._assemblers[pid]
        self._known.discard(pid)
        return self._tracks.pop(pid)

    def _numbered(self, codec: CodecId, language: str, freed: list[Track]) -> Track:
        for track in freed:
            if track.kind is codec.kind:
                freed.remove(track)
                return Track(track.id, codec, version=track.version + 1, language=language)
        taken = {track.id for track in self._tracks.values()} | {track.id for track in freed}
        return Track(
            next(number for number in range(2 * limits.MAX_TRACKS) if number not in taken), codec, language=language
        )

    def _pieces(self, pid: int, pieces: Iterable[Piece], now: int) -> list[TracksGathered | MediaFrame]:
        found: list[TracksGathered | MediaFrame] = []
        for piece in pieces:
            if not self._learn(pid, piece.payload, piece.configuration):
                self.dropped += 1
                continue
            track = self._tracks[pid]
            frame = MediaFrame(
                track, piece.pts, piece.dts, piece.payload, piece.keyframe, discontinuity=piece.broken, arrival=now
            )
            if self._told:
                if track not in self._told:
                    found += self._tell()
                found.append(frame)
                continue
            if self._since is None:
                self._since = now
            self._held.append(frame)
            found += self.wake(now)
        return found

    def _learn(self, pid: int, payload: bytes, configuration: bytes) -> bool:
        """Bring the track up to what a frame of it tells; False when it cannot be told to anyone yet."""
        track = self._tracks[pid]
        try:
            if configuration:
                now = evolve(track, configuration)
            elif track.codec in _SELF_DESCRIBED and payload:
                now = learn(track, payload)
            else:
                now = describe(track)
        except Malformed:
            self._counts["unreadable"] += 1
            return False
        if now is not track:
            self._tracks[pid] = now
        if not now.configuration and now.codec in _NEEDS_CONFIGURATION:
            self._counts["early"] += 1
            return False
        self._known.add(pid)
        return True

    def _ready(self, now: int) -> bool:
        since = now if self._since is None else self._since
        late = now - since >= limits.TS_GATHERING or len(self._held) >= limits.EARLY_FRAMES
        return late or len(self._known) == len(self._tracks)

    def _tell(self) -> list[TracksGathered | MediaFrame]:
        known = [track for pid, track in self._tracks.items() if pid in self._known]
        tracks = tuple(sorted(known, key=lambda track: (_ORDER[track.kind], track.id)))
        if tracks == self._told or not tracks:
            return []
        self._told = tracks
        return [TracksGathered(tracks)]


_ORDER: Final = {Kind.VIDEO: 0, Kind.AUDIO: 1, Kind.DATA: 2}


class TsSource:
    """See the module. `counts` is the demultiplexer's, with what its streams dropped beside: ``early`` (pictures before
    the first keyframe, sound before its configuration), ``unreadable``, ``untimed``, ``empty``.
    """

    def __init__(self, program: int | None = None, *, every: bool = False, counts: Counter[str] | None = None) -> None:
        self._demuxer = TsDemuxer(program, every=every, counts=counts)
        self._programs: dict[int, _Program] = {}
        self.counts = self._demuxer.counts

    @property
    def skipped(self) -> int:
        """Bytes that belong to no packet."""
        return self._demuxer.skipped

    @property
    def wake_at(self) -> int | None:
        """When `wake` is due although nothing came: frames wait for a track that may never come."""
        waiting = [each.waits_since for each in self._programs.values() if each.waits_since is not None]
        return min(waiting) + limits.TS_GATHERING if waiting else None

    def receive(self, data: bytes, now: int) -> list[tuple[int, TsItem]]:
        """Bytes in any cuts, which came at `now` (monotonic ns): (programme, item) in order. Never raises."""
        return self._take(self._demuxer.feed(data), now)

    def wake(self, now: int) -> list[tuple[int, TsItem]]:
        """Time went by."""
        return [(number, item) for number, program in self._programs.items() for item in program.wake(now)]

    def flush(self, now: int) -> list[tuple[int, TsItem]]:
        """The stream is over: what only more of it would have ended."""
        last = self._take(self._demuxer.flush(), now)
        return last + [(number, item) for number, program in self._programs.items() for item in program.flush(now)]

    def _take(self, events: Iterable[TsEvent], now: int) -> list[tuple[int, TsItem]]:
        items: list[tuple[int, TsItem]] = []
        for event in events:
            if isinstance(event, Unit):
                program = self._programs.get(event.program)
                if program is not None:
                    items += [(event.program, item) for item in program.take(event, now)]
            elif isinstance(event, ProgramChanged):
                number = event.map.program
                items.append((number, event))
                program = self._programs.setdefault(number, _Program(self.counts))
                items += [(number, item) for item in program.change(event.map)]
            else:
                if isinstance(event, ProgramEnded):
                    self._programs.pop(event.program, None)
                items.append((event.program, event))
        return items
