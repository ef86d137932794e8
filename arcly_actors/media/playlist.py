"""HLS playlists as text (RFC 8216 and draft-pantos-hls-rfc8216bis): media playlists of whole segments, and the master."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from arcly_actors.media.timebase import MICROSECOND, SECOND, from_ns

CONTENT_TYPE = "application/vnd.apple.mpegurl"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Everything a URI may hold stays; what could end a line or an attribute (control characters, quotes, spaces) is escaped.
_URI_CHARACTERS = "%/:?#[]@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Segment:
    """One media segment. `duration` is nanoseconds, `wall` the UTC time of its first frame in nanoseconds (0: not told).

    `discontinuity` says that it does not follow from the one before: timestamps, tracks or configuration changed.
    `map_uri` is the initialisation segment it needs; empty for MPEG-TS.
    """

    uri: str
    duration: int
    discontinuity: bool = False
    wall: int = 0
    map_uri: str = ""


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A window of segments.

    `target_duration` (nanoseconds) must stay the same for the life of the playlist; a longer segment still raises it, for
    a player stops at an EXTINF beyond it. `media_sequence` numbers the first segment, and `discontinuity_sequence` counts
    the discontinuities of segments that have left the window (`window` keeps both right).
    """

    target_duration: int
    segments: tuple[Segment, ...] = ()
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    ended: bool = False
    independent: bool = True

    def text(self) -> str:
        """The playlist, ready to be served as `CONTENT_TYPE`, in UTF-8."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        longest = max((segment.duration for segment in self.segments), default=0)
        yield "#EXTM3U"
        # EXT-X-MAP outside I-frame playlists needs version 6, durations with decimals need 3 (§8).
        yield f"#EXT-X-VERSION:{6 if any(segment.map_uri for segment in self.segments) else 3}"
        yield f"#EXT-X-TARGETDURATION:{max(1, from_ns(max(longest, self.target_duration), 1))}"
        yield f"#EXT-X-MEDIA-SEQUENCE:{self.media_sequence}"
        if self.discontinuity_sequence:
            yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuity_sequence}"
        if self.independent:
            yield "#EXT-X-INDEPENDENT-SEGMENTS"
        map_uri = ""
        for index, segment in enumerate(self.segments):
            # On the first segment the tag is kept too: the sequence number counts only what has left (§6.2.2).
            if segment.discontinuity:
                yield "#EXT-X-DISCONTINUITY"
            if segment.map_uri != map_uri:
                map_uri = segment.map_uri
                yield f'#EXT-X-MAP:URI="{_uri(map_uri)}"'
            if segment.wall and (index == 0 or segment.discontinuity):
                yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.wall)}"
            yield f"#EXTINF:{_seconds(segment.duration)},"
            yield _uri(segment.uri)
        if self.ended:
            yield "#EXT-X-ENDLIST"


@dataclass(frozen=True, slots=True)
class Variant:
    """One rendition. Bit rates are bits per second; `bandwidth` is the peak of any segment, 0 sizes are left out."""

    uri: str
    bandwidth: int
    average_bandwidth: int = 0
    codecs: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    """The variants of one presentation, in the order of preference at the start."""

    variants: tuple[Variant, ...]
    independent: bool = True

    def text(self) -> str:
        """The playlist, ready to be served as `CONTENT_TYPE`, in UTF-8."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
        if self.independent:
            lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
        for variant in self.variants:
            lines += [f"#EXT-X-STREAM-INF:{','.join(_attributes(variant))}", _uri(variant.uri)]
        return "".join(f"{line}\n" for line in lines)


def window(playlist: MediaPlaylist, added: Segment, keep: int) -> MediaPlaylist:
    """The playlist with one segment more and at most `keep`, the sequence numbers moved on by what left."""
    segments = (*playlist.segments, added)
    left = segments[: max(0, len(segments) - keep)]
    return MediaPlaylist(
        playlist.target_duration,
        segments[len(left) :],
        playlist.media_sequence + len(left),
        playlist.discontinuity_sequence + sum(segment.discontinuity for segment in left),
        playlist.ended,
        playlist.independent,
    )


def bandwidths(sizes_and_durations: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The peak and the average bit rate of segments given as (bytes, nanoseconds); (0, 0) when there are none."""
    known = [(size, duration) for size, duration in sizes_and_durations if duration > 0]
    if not known:
        return 0, 0
    peak = max(_rate(size, duration) for size, duration in known)
    return peak, _rate(sum(size for size, _ in known), sum(duration for _, duration in known))


def _rate(size: int, duration: int) -> int:
    return -(-size * 8 * SECOND // duration)  # rounded up: BANDWIDTH is an upper bound (§4.4.6.2)


def _attributes(variant: Variant) -> Iterator[str]:
    yield f"BANDWIDTH={variant.bandwidth}"
    if variant.average_bandwidth:
        yield f"AVERAGE-BANDWIDTH={variant.average_bandwidth}"
    if codecs := ",".join(name for name in variant.codecs if name):
        yield f'CODECS="{codecs}"'
    if variant.width and variant.height:
        yield f"RESOLUTION={variant.width}x{variant.height}"
    if variant.frame_rate:
        yield f"FRAME-RATE={variant.frame_rate:.3f}"


def _uri(uri: str) -> str:
    return quote(uri, safe=_URI_CHARACTERS)


def _seconds(nanoseconds: int) -> str:
    micros = from_ns(nanoseconds, 1_000_000)
    return f"{micros // 1_000_000}.{micros % 1_000_000:06}"


def _date(wall: int) -> str:
    moment = _EPOCH + timedelta(microseconds=wall // MICROSECOND)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
