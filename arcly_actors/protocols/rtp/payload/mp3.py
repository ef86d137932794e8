"""MPEG audio (RFC 2250 §3.5): frames behind a header of 4 bytes, which has the offset of a fragment; both ways.

The clock is 90 kHz whatever the sampling rate is (payload type 14).
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import mp3
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.audio import Timed
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

RATE = 90000
_HEADER_BYTES = 4


class Mp3Packetiser:
    """A `Packetiser`: a frame in a packet, or in several when it is too large."""

    def __init__(self, most: int = limits.RTP_PAYLOAD) -> None:
        self._most = most - _HEADER_BYTES

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one MPEG audio frame."""
        data = frame.payload
        if not 0 < len(data) <= 0xFFFF:
            raise Malformed(f"MPEG audio frame of {len(data)} bytes")
        return [
            RtpChunk(start.to_bytes(_HEADER_BYTES) + data[start:end], end == len(data))
            for start, end in nal_units.pieces(len(data), self._most)
        ]


class Mp3Reading:
    """Reads payloads for an `AudioDepacketiser`; holds the fragments of one frame, at most 64 kB."""

    def __init__(self) -> None:
        self._fragments = b""

    def read(self, payload: bytes, _marker: bool) -> list[Timed]:
        """The frames that are whole with this packet; `Malformed` when an offset or a frame header does not fit."""
        if len(payload) <= _HEADER_BYTES:
            raise Malformed("MPEG audio payload without content")
        offset, data = int.from_bytes(payload[2:4]), payload[_HEADER_BYTES:]
        if offset != len(self._fragments):
            raise Malformed(f"MPEG audio fragment at {offset}, {len(self._fragments)} are there")
        data = self._fragments + data
        self._fragments = b""
        units: list[Timed] = []
        start = samples = 0
        while start < len(data):
            header = mp3.read_frame(data[start : start + mp3.HEADER_BYTES])
            size = header.size or len(data) - start  # free format: its end is not told
            if start + size > len(data):
                if start:
                    raise Malformed("MPEG audio frame is cut behind another")
                self._fragments = data
                return []
            units.append((samples * RATE // header.sample_rate, data[start : start + size]))
            samples += header.samples
            start += size
        return units

    def clear(self) -> None:
        """Forget the fragments."""
        self._fragments = b""
