"""Cameras: what simulated publishers send. Each frame has a number in its payload, by which viewers are checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from arcly_actors.clock import NS_PER_MS
from arcly_actors.media import aac, avc, hevc, opus
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import evolve
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.simulation.chance import Chance

VIDEO, AUDIO = 0, 1

_NUMBER = re.compile(rb"<(\d{10})>")
_DIGITS = 10

# Parameter sets of pictures of 64x48 and 128x96, as x264 and x265 make them.
_AVC = (
    ("6742c00ada11e840000003004000000ca3c489a8", "68ce0fc8"),
    ("6742c00ada083684000003000400000300ca3c489a80", "68ce0fc8"),
)
_HEVC = (
    "40010c01ffff01600000030090000003000003001e959409",
    "42010101600000030090000003000003001ea0208316595952930b9a0200000300020000030032 10".replace(" ", ""),
    "4401c073c089",
)


def _avc_track(sps: str, pps: str) -> Track:
    return evolve(Track(VIDEO, CodecId.H264), avc.write_configuration([bytes.fromhex(sps)], [bytes.fromhex(pps)]))


def _hevc_track() -> Track:
    vps, sps, pps = (bytes.fromhex(unit) for unit in _HEVC)
    return evolve(Track(VIDEO, CodecId.H265), hevc.write_configuration([vps], [sps], [pps]))


PICTURES: tuple[Track, ...] = (*(_avc_track(*sets) for sets in _AVC), _hevc_track())
SOUND = evolve(Track(AUDIO, CodecId.AAC), aac.write_configuration(8000, 1))
OPUS = evolve(Track(AUDIO, CodecId.OPUS), opus.write_head(opus.OpusHead(1)))

_TWICE_60_MS = b"\x19"
"""What an Opus packet of two frames begins with (RFC 6716 §3.1): 120 ms, and silence until the next."""

# The unit header and the beginning of a slice, for a picture that opens a GOP and for one that does not.
_SLICES = {
    CodecId.H264: (b"\x65\x88\x84", b"\x41\x9a\x21"),
    CodecId.H265: (b"\x26\x01\xaf", b"\x02\x01\xd0"),
}


def number_of(payload: bytes) -> int | None:
    """The number in a frame's payload, or in anything that holds it."""
    found = _NUMBER.search(payload)
    return int(found[1]) if found is not None else None


def payload_of(track: Track, number: int, *, keyframe: bool, size: int) -> bytes:
    """A frame's payload of about `size` bytes, in which no start code or unit length can be mistaken."""
    body = b"<%0*d>" % (_DIGITS, number)
    body += b"U" * max(0, size - len(body))
    if track.kind is Kind.AUDIO:
        return (b"\x01" if track.codec is CodecId.AAC else _TWICE_60_MS) + body
    unit = _SLICES[track.codec][0 if keyframe else 1] + body
    return len(unit).to_bytes(4) + unit


class Shot(NamedTuple):
    """One frame as it was made: `gop` is the number of the keyframe that it needs, None when there was none."""

    number: int
    publisher: str
    kind: Kind
    keyframe: bool
    gop: int | None
    codec: CodecId


@dataclass(slots=True)
class Camera:
    """Makes frames. `gop` pictures from keyframe to keyframe (0: one at the beginning, then none unless asked).

    `behind` is the clock of its timestamps: what to add to its own time. `number` gives the next frame's number and
    takes down what it is.
    """

    name: str
    chance: Chance
    take_down: Callable[[Shot], None]
    number: Callable[[], int]
    picture: Track | None
    sound: Track | None
    picture_every: int
    sound_every: int
    gop: int
    begins_with_keyframe: bool = True
    behind: int = 0
    _time: int = 0
    _next_sound: int = 0
    _since: int = 0
    _opened: int | None = None
    _asked: bool = field(default=True)

    def __post_init__(self) -> None:
        self._asked = self.begins_with_keyframe

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What it sends now."""
        return tuple(track for track in (self.picture, self.sound) if track is not None)

    @property
    def every(self) -> int:
        """How many ns of its time a shot takes."""
        return self.picture_every if self.picture is not None else self.sound_every

    @property
    def opened(self) -> bool:
        """Whether it has made a keyframe of the present picture."""
        return self._opened is not None

    def ask(self) -> None:
        """Make the next picture a keyframe."""
        self._asked = True

    def change(self, picture: Track) -> None:
        """Another codec or resolution, from the next picture on, which is a keyframe."""
        self.picture = picture
        self._asked, self._opened = True, None

    def jump(self, ns: int) -> None:
        """Set the clock of its timestamps; never below zero."""
        self.behind = max(self.behind + ns, -self._time)

    def shoot(self) -> list[MediaFrame]:
        """What comes in the next `every` ns: a picture, and the sound until then."""
        frames = []
        if self.picture is not None:
            keyframe = self._asked or bool(self.gop and self._since >= self.gop)
            if keyframe:
                self._asked, self._since = False, 0
            self._since += 1
            frames.append(self._frame(self.picture, self._time, keyframe=keyframe))
        self._time += self.every
        while self.sound is not None and self._next_sound < self._time:
            frames.append(self._frame(self.sound, self._next_sound, keyframe=True))
            self._next_sound += self.sound_every
        return frames

    def _frame(self, track: Track, time: int, *, keyframe: bool) -> MediaFrame:
        number = self.number()
        video = track.kind is Kind.VIDEO
        if video and keyframe:
            self._opened = number
        size = self.chance.whole(200, 3000) if video and keyframe else 0
        gop = self._opened if video else None
        self.take_down(Shot(number, self.name, track.kind, keyframe, gop, track.codec))
        payload = payload_of(track, number, keyframe=keyframe, size=size)
        at = max(0, time + self.behind) // NS_PER_MS * NS_PER_MS
        return MediaFrame(track, at, at, payload, keyframe)
