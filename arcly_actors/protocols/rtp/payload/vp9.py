"""VP9 (RFC 9628): the payload descriptor (§4.2), both ways.

Sending: non-flexible mode with a picture id of 15 bits and no layer indices; a superframe goes as one frame. Receiving:
flexible or not; the spatial layers of a picture become a superframe (VP9 annex B), as decoders other than libvpx want it.
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import vp9
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

_ID, _PREDICTED, _LAYERS, _FLEXIBLE, _BEGIN, _END, _STRUCTURE = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02
_DESCRIPTOR_BYTES = 3
_MOST_LAYERS = 8


class Vp9Packetiser:
    """A `Packetiser`; `picture` is the first picture id, from the caller's entropy."""

    def __init__(self, most: int = limits.RTP_PAYLOAD, picture: int = 0) -> None:
        self._most = most - _DESCRIPTOR_BYTES
        self._picture = picture & 0x7FFF

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one picture."""
        data = frame.payload
        number = (0x8000 | self._picture).to_bytes(2)
        self._picture = self._picture + 1 & 0x7FFF
        flags = _ID | (0 if frame.keyframe else _PREDICTED)
        made = []
        for start, end in nal_units.pieces(len(data), self._most):
            last = end == len(data)
            first = flags | (0 if start else _BEGIN) | (_END if last else 0)
            made.append(RtpChunk(bytes((first,)) + number + data[start:end], last))
        if not made:
            raise Malformed("empty VP9 frame")
        return made


class Vp9Assembly:
    """The `Assembly` of VP9."""

    def __init__(self) -> None:
        self._layers: list[list[bytes]] = []
        self._open = False
        self.configuration = b""

    def starts(self, payload: bytes) -> bool:
        """The B bit, of the lowest spatial layer."""
        if not payload[0] & _BEGIN:
            return False
        if not payload[0] & _LAYERS:
            return True
        at = 1 + (0 if not payload[0] & _ID else 2 if payload[1:2] > b"\x7f" else 1)
        return bool(payload[at : at + 1]) and not payload[at] & 0x0E

    def add(self, payload: bytes) -> None:
        """The next piece; `Malformed` when the descriptor is cut, or begins and ends do not alternate."""
        flags = payload[0]
        cursor = Cursor(payload, "VP9 descriptor")
        _skip_descriptor(cursor)
        if bool(flags & _BEGIN) == self._open or len(self._layers) > _MOST_LAYERS:
            raise Malformed("VP9 frame that does not begin, or begins twice")
        if flags & _BEGIN:
            self._layers.append([])
        self._layers[-1].append(cursor.rest())
        self._open = not flags & _END

    def take(self) -> tuple[bytes, bool] | None:
        """The picture, as a superframe if it has layers."""
        if not self._layers:
            return None
        if self._open:
            raise Malformed("VP9 frame without its end")
        frames = [b"".join(layer) for layer in self._layers]
        self.clear()
        header = vp9.read_frame(frames[0])
        if header.keyframe:
            self.configuration = vp9.write_configuration(header)
        return frames[0] if len(frames) == 1 else b"".join(frames) + _superframe_index(frames), header.keyframe

    def clear(self) -> None:
        """Forget the picture."""
        self._layers = []
        self._open = False


def _skip_descriptor(cursor: Cursor) -> None:
    flags = cursor.u8()
    if flags & _ID and cursor.u8() & 0x80:
        cursor.skip(1)
    if flags & _LAYERS:
        cursor.skip(1 if flags & _FLEXIBLE else 2)  # TL0PICIDX is there in non-flexible mode only
    if flags & _PREDICTED and flags & _FLEXIBLE:
        # Up to three differences; the last bit of each says whether another follows.
        references = 1
        while cursor.u8() & 1:
            references += 1
            if references > 3:
                raise Malformed("VP9 picture with more than three references")
    if flags & _STRUCTURE:
        _skip_structure(cursor)


def _skip_structure(cursor: Cursor) -> None:
    """The scalability structure (§4.2.1): sizes of the layers, and a group of pictures."""
    head = cursor.u8()
    if head & 0x10:
        cursor.skip(4 * ((head >> 5) + 1))
    if head & 0x08:
        for _ in range(cursor.u8()):
            cursor.skip(cursor.u8() >> 2 & 3)


def _superframe_index(frames: list[bytes]) -> bytes:
    size = (max(map(len, frames)).bit_length() + 7) // 8
    marker = bytes((0xC0 | size - 1 << 3 | len(frames) - 1,))
    return marker + b"".join(len(frame).to_bytes(size, "little") for frame in frames) + marker
