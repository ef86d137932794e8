"""HTTP viewers: FLV and MPEG-TS as files that go on."""

from collections.abc import Iterable
from typing import ClassVar

from arcly_actors.clock import NS_PER_MS
from arcly_actors.ingest.ts_source import TsSource
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv import FlvReader, TagType
from arcly_actors.media.frame import MediaFrame
from arcly_actors.media.timebase import Unwrap
from arcly_actors.simulation.engine_peer import LinkedViewer


class HttpViewer(LinkedViewer):
    """Sends one GET and reads what comes: head, chunks, and in them the file."""

    door = "http"
    suffix: ClassVar[str] = ""

    def start(self) -> None:
        """See `Peer`."""
        self._head = b""
        self._chunked = bytearray()
        self.connect()
        if not self.over:
            self.link.send(f"GET /{self.key}{self.suffix} HTTP/1.1\r\nHost: simulation\r\n\r\n".encode())

    def received(self, data: bytes) -> None:
        """See `link.Ends`."""
        if self.over:
            return
        if self.began is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                self.link.close()
                self.end("engine", head.partition(b"\r\n")[0].decode("latin-1"))
                return
            self._head = b""
            self.watch()
        self._chunked += data
        for chunk in self._chunks():
            self.read(chunk)

    def _chunks(self) -> Iterable[bytes]:
        while not self.over:
            size, end, _ = self._chunked.partition(b"\r\n")
            if not end:
                return
            length = int(size, 16)
            whole = len(size) + 2 + length + 2
            if len(self._chunked) < whole:
                return
            chunk = bytes(self._chunked[len(size) + 2 : whole - 2])
            del self._chunked[:whole]
            if not length:
                self.link.close()
                self.end("engine", "the stream ended")
                return
            yield chunk

    def read(self, data: bytes) -> None:
        """A piece of the file."""
        raise NotImplementedError


class FlvViewer(HttpViewer):
    """Reads HTTP-FLV."""

    protocol = "http-flv"
    suffix = ".flv"

    def start(self) -> None:
        """See `Peer`."""
        self._reader = FlvReader()
        self._clock = Unwrap(32)
        super().start()

    def read(self, data: bytes) -> None:
        """See `HttpViewer`."""
        for tag in self._reader.feed(data):
            if tag.type is not TagType.SCRIPT:
                video = tag.type is TagType.VIDEO
                keyframe = not video or tag.body[0] >> 4 & 7 == 1
                dts = self._clock(tag.timestamp_ms) * NS_PER_MS
                self.see(Kind.VIDEO if video else Kind.AUDIO, dts, tag.body, keyframe=keyframe)


class TsViewer(HttpViewer):
    """Reads MPEG-TS."""

    protocol = "http-ts"
    suffix = ".ts"
    ends_with_the_next = True

    def start(self) -> None:
        """See `Peer`."""
        self._source = TsSource()
        super().start()

    def read(self, data: bytes) -> None:
        """See `HttpViewer`."""
        for _, item in self._source.receive(data, self.world.now):
            if isinstance(item, MediaFrame):
                self.see(item.track.kind, item.dts, item.payload, keyframe=item.keyframe)
