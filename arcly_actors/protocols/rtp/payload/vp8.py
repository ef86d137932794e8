"""VP8 (RFC 7741): the payload descriptor (§4.2), both ways.

Sending: a picture id of 15 bits that goes up by one per picture, which is all that browsers need to see that none is
missing; partitions are not told apart, as no one uses them.
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import vp8
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

_EXTENDED, _START = 0x80, 0x10
_DESCRIPTOR_BYTES = 4


class Vp8Packetiser:
    """A `Packetiser`; `picture` is the first picture id, from the caller's entropy."""

    def __init__(self, most: int = limits.RTP_PAYLOAD, picture: int = 0) -> None:
        self._most = most - _DESCRIPTOR_BYTES
        self._picture = picture & 0x7FFF

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one picture."""
        data = frame.payload
        rest = b"\x80" + (0x8000 | self._picture).to_bytes(2)  # I: with a picture id, M: of 15 bits
        self._picture = self._picture + 1 & 0x7FFF
        made = [
            RtpChunk(bytes((_EXTENDED | (0 if start else _START),)) + rest + data[start:end], end == len(data))
            for start, end in nal_units.pieces(len(data), self._most)
        ]
        if not made:
            raise Malformed("empty VP8 frame")
        return made


class Vp8Assembly:
    """The `Assembly` of VP8. The frame is what a decoder wants, so it has no configuration of its own."""

    configuration = b""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def starts(self, payload: bytes) -> bool:
        """The S bit of partition 0."""
        return payload[0] & 0x1F == _START

    def add(self, payload: bytes) -> None:
        """The next piece of the frame; `Malformed` when the descriptor is cut or the frame has no start."""
        if not self._parts and not self.starts(payload):
            raise Malformed("VP8 frame without its start")
        begin = _descriptor(payload)
        if begin >= len(payload):
            raise Malformed("VP8 descriptor without content")
        self._parts.append(payload[begin:])

    def take(self) -> tuple[bytes, bool] | None:
        """The frame."""
        if not self._parts:
            return None
        payload = b"".join(self._parts)
        self.clear()
        return payload, vp8.is_keyframe(payload)

    def clear(self) -> None:
        """Forget the frame."""
        self._parts = []


def _descriptor(payload: bytes) -> int:
    """The bytes of the descriptor; what it says beyond the start is about layers, which browsers send only with SVC."""
    if not payload[0] & _EXTENDED:
        return 1
    if len(payload) < 3:
        raise Malformed("VP8 descriptor is cut")
    fields = payload[1]
    size = 2
    if fields & 0x80:  # I
        size += 2 if payload[2] & 0x80 else 1
    if fields & 0x40:  # L
        size += 1
    if fields & 0x30:  # T or K
        size += 1
    return size
