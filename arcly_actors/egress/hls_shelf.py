"""The shelf: the muxed segments of one stream, what the playlist lists of them, and how long the others stay. Pure."""

from collections import deque
from dataclasses import dataclass, field, replace

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.egress.hls_resources import MEDIA, init_name, segment_name
from arcly_actors.media.codec import Kind
from arcly_actors.media.describe import codec_string
from arcly_actors.media.frame import Track
from arcly_actors.media.playlist import MasterPlaylist, MediaPlaylist, Segment, Variant, bandwidths, window


@dataclass(frozen=True, slots=True)
class Shelved:
    """One muxed segment; the fields are those of `hls_segmenter.Segment`. `pictures` counts its video frames."""

    number: int
    epoch: int
    discontinuity: bool
    tracks: tuple[Track, ...]
    duration_ns: int
    wall_ns: int
    pictures: int
    data: bytes = field(repr=False)


class Shelf:
    """Segments in order: a window that the playlist lists, and before it as many more that slow players may still fetch.

    `size` is bytes, with initialisation segments. Past the policy's bound the oldest go first, listed or not (counted in
    `cut_short` when listed); the newest always stays.
    """

    def __init__(self, policy: HlsPolicy) -> None:
        self._policy = policy
        self._items: deque[Shelved] = deque()
        self._inits: dict[int, bytes] = {}
        self._playlist: MediaPlaylist | None = None
        self.size = 0
        self.cut_short = 0
        self.ended = False

    @property
    def ready(self) -> bool:
        """Whether the playlist is worth playing."""
        listed = self._listed
        return listed >= self._policy.ready or (self.ended and listed > 0)

    def add(self, item: Shelved, init: bytes) -> None:
        """Put the next segment up, with the initialisation segment of its epoch (empty for MPEG-TS)."""
        self._items.append(item)
        self.size += len(item.data)
        if init and item.epoch not in self._inits:
            self._inits[item.epoch] = init
            self.size += len(init)
        listing = self._playlist or MediaPlaylist(self._policy.segment_ns, media_sequence=item.number)
        # A target duration that shrank again would tell players to ask at another pace: it only grows.
        listing = replace(listing, target_duration=max(listing.target_duration, item.duration_ns))
        self._playlist = window(listing, self._entry(item), self._policy.window)
        while len(self._items) > 2 * self._policy.window or (
            self.size > self._policy.shelf_bytes and len(self._items) > 1
        ):
            self._forget()

    def media(self) -> str:
        """The media playlist; call it when `ready`."""
        assert self._playlist is not None
        return replace(self._playlist, ended=self.ended).text()

    def master(self) -> str:
        """The master playlist with what was measured of the segments kept; call it when `ready`."""
        newest = self._items[-1]
        # Splinters cut off by a seam say little of the bit rate: a keyframe alone is a peak that nobody has to play.
        whole = [item for item in self._items if item.duration_ns >= self._policy.segment_ns // 2] or self._items
        peak, average = bandwidths((len(item.data), item.duration_ns) for item in whole)
        video = next((track for track in newest.tracks if track.kind is Kind.VIDEO), None)
        variant = Variant(
            uri=MEDIA,
            bandwidth=max(peak, 1),
            average_bandwidth=average,
            codecs=tuple(codec_string(track) for track in newest.tracks),
            width=video.width if video else 0,
            height=video.height if video else 0,
            frame_rate=newest.pictures * NS_PER_S / max(newest.duration_ns, 1),
        )
        return MasterPlaylist((variant,)).text()

    def segment(self, number: int) -> bytes | None:
        """The segment, while it is kept."""
        return next((item.data for item in self._items if item.number == number), None)

    def init(self, epoch: int) -> bytes | None:
        """The initialisation segment of an epoch that still has segments."""
        return self._inits.get(epoch)

    @property
    def _listed(self) -> int:
        return len(self._playlist.segments) if self._playlist else 0

    def _entry(self, item: Shelved) -> Segment:
        container = self._policy.container
        return Segment(
            uri=segment_name(item.number, container),
            duration=item.duration_ns,
            discontinuity=item.discontinuity,
            wall=item.wall_ns,
            map_uri=init_name(item.epoch) if item.epoch in self._inits else "",
        )

    def _forget(self) -> None:
        gone = self._items.popleft()
        self.size -= len(gone.data)
        if self._items[0].epoch != gone.epoch and (init := self._inits.pop(gone.epoch, None)) is not None:
            self.size -= len(init)
        if self._playlist is not None and self._listed > len(self._items):
            self.cut_short += 1
            self._playlist = _without_first(self._playlist)


def _without_first(listing: MediaPlaylist) -> MediaPlaylist:
    first, *rest = listing.segments
    return replace(
        listing,
        segments=tuple(rest),
        media_sequence=listing.media_sequence + 1,
        discontinuity_sequence=listing.discontinuity_sequence + first.discontinuity,
    )
