"""RTMP publish: media messages of one connection to frames of one stream."""

from collections.abc import Mapping

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.errors import PeerViolation, Refusal, Refused
from arcly_actors.ingest.flv_tracks import FlvTracks, TracksLearnt
from arcly_actors.ingest.publisher import Publisher, Publishing
from arcly_actors.media.codec import AUDIO, VIDEO
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.events import MediaReceived, MetadataReceived
from arcly_actors.runtime import System, receives

_SAID_ELSEWHERE = frozenset({"encoder", "duration", "filesize", "creationdate"})


class RtmpPublisher(Publisher):
    """The publisher actor of an RTMP connection."""

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref) -> None:
        super().__init__(system, bus, publishing, owner)
        self._now = system.clock.monotonic_ns
        self._tracks = FlvTracks()
        self._metadata: Mapping[str, str] = {}

    @receives(MetadataReceived)
    def metadata(self, event: MetadataReceived) -> None:
        """Take onMetaData: what to expect, and the texts that viewers may want."""
        self._tracks.hint(event.values)
        self._metadata = {
            name: value
            for name, value in event.values.items()
            if isinstance(value, str) and name.lower() not in _SAID_ELSEWHERE
        }

    @receives(MediaReceived)
    def media(self, event: MediaReceived) -> None:
        """Take one audio or video message; what cannot be carried ends the publishing with a reason."""
        if event.kind == "data":
            return
        kind = VIDEO if event.kind == "video" else AUDIO
        try:
            items = self._tracks.receive(kind, event.timestamp_ms, event.body, self._now())
        except Refused as refused:
            self.lose(refused.refusal, refused.detail)
            return
        except PeerViolation as violation:
            self.lose(Refusal.BAD_REQUEST, str(violation))
            return
        for item in items:
            if type(item) is MediaFrame:
                self.push(item)
            elif isinstance(item, TracksLearnt):
                self.announce(item.tracks, self._metadata)
