"""MPEG-TS as an output format: the encoder that SRT, UDP, RTP and HTTP share.

Each entry is whole packets, a multiple of 188 bytes, for every viewer the very same. SRT and UDP cut what they are
given into datagrams of 7 packets (`DATAGRAM` bytes), HTTP sends it as it is.

    Viewing(key, "srt", peer, ts.FORMAT, ts.make_encoder, wish=Wish.TS)     # for a ByteSubscriber
    if not ts.carries(tracks): ...                                          # say so: nothing of it can be sent
"""

from collections.abc import Mapping, Sequence
from typing import Final

from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.kinds import CARRIED
from arcly_actors.media.mpegts.muxer import TsMuxer

FORMAT: Final = "mpegts"
CONTENT_TYPE: Final = "video/mp2t"
DATAGRAM: Final = 7 * 188
"""What fits into the payload of an Ethernet frame (and of SRT, whose own limit it is)."""


class Whole:
    """Entries as they are."""

    def wrap(self, data: bytes) -> bytes:
        """The bytes themselves."""
        return data

    def end(self) -> bytes:
        """A transport stream just ends."""
        return b""


class Chunks:
    """Each entry as one HTTP chunk (RFC 9112 §7.1), made once for all viewers."""

    def wrap(self, data: bytes) -> bytes:
        """One chunk; none for nothing, which would end the response."""
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def end(self) -> bytes:
        """The last chunk, which ends the response."""
        return b"0\r\n\r\n"


class TsEncoder:
    """An encoder (see `bus.encoded.Encoder`) of all tracks of a stream that MPEG-TS carries.

    A viewer joins at a keyframe, whose entry begins with PAT and PMT and has the parameter sets: nothing goes before it.
    """

    def __init__(self, framing: Whole | Chunks | None = None) -> None:
        self._muxer = TsMuxer()
        self._framing = framing or Whole()

    def opening(self, tracks: Sequence[Track], info: Mapping[str, str], dts: int) -> bytes:
        """Nothing."""
        return b""

    def follow(self, tracks: Sequence[Track]) -> None:
        """Carry these tracks; the PMT before the next frame tells them."""
        self._muxer.follow(tracks)

    def configuration(self, track: Track, dts: int) -> bytes:
        """Nothing: what a decoder needs comes with the frames."""
        return b""

    def frame(self, frame: MediaFrame) -> bytes:
        """The packets of one frame, and the tables and clocks that are due; empty for a track that is not carried."""
        return self._framing.wrap(self._muxer.frame(frame))

    def ending(self) -> bytes:
        """What ends the stream in this framing."""
        return self._framing.end()


def make_encoder() -> TsEncoder:
    """The encoder of a stream."""
    return TsEncoder()


def make_chunked_encoder() -> TsEncoder:
    """The encoder for HTTP/1.1 viewers."""
    return TsEncoder(Chunks())


def carries(tracks: Sequence[Track]) -> bool:
    """Whether there is a track that MPEG-TS has a place for; sound is made fit for it (`Wish.TS`) where it is not."""
    return any(track.codec in CARRIED or track.kind is Kind.AUDIO for track in tracks)
