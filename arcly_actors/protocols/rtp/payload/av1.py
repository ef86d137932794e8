"""AV1 ("RTP Payload Format For AV1", AOM, v1.0 §4): the aggregation header and OBU elements, both ways.

OBUs travel without their size fields, and without temporal delimiters, tile lists and padding (§5); `media/frame.py`
wants the sizes, so they are taken off and put back. A keyframe has its sequence header in-band, the track's if need be.
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media import av1
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

_TILE_LIST, _PADDING = 8, 15
_UNSENT = frozenset({av1.TEMPORAL_DELIMITER, _TILE_LIST, _PADDING})
_CONTINUES, _GOES_ON, _NEW_SEQUENCE = 0x80, 0x40, 0x08
_HAS_EXTENSION, _HAS_SIZE = 0x04, 0x02
_CONFIGURATION_HEADER = 4
_LEAST_PIECE, _LEAST_MOST = 16, 32


class Av1Packetiser:
    """A `Packetiser`; `most` bounds the bytes of a payload."""

    def __init__(self, most: int = limits.RTP_PAYLOAD) -> None:
        self._most = max(most, _LEAST_MOST)

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one temporal unit."""
        obus = [obu for obu in av1.split(frame.payload) if obu.type not in _UNSENT]
        if frame.keyframe and not any(obu.type == av1.SEQUENCE_HEADER for obu in obus):
            obus[:0] = av1.split(frame.track.configuration[_CONFIGURATION_HEADER:])
        elements = [_without_size(obu) for obu in obus]
        packets = self._laid_out(elements)
        made = []
        for index, (pieces, continues, goes_on) in enumerate(packets):
            head = (_CONTINUES if continues else 0) | (_GOES_ON if goes_on else 0)
            head |= _NEW_SEQUENCE if frame.keyframe and not index else 0
            made.append(RtpChunk(_written(head, pieces), index == len(packets) - 1))
        return made

    def _laid_out(self, elements: list[bytes]) -> list[tuple[list[bytes], bool, bool]]:
        """Per packet its pieces, whether the first continues an OBU, and whether the last goes on in the next packet."""
        packets: list[tuple[list[bytes], bool, bool]] = []
        pieces: list[bytes] = []
        room, continues = self._most - 1, False
        for element in elements:
            start = 0
            while start < len(element):
                space = room - len(_leb128(room))
                if space < min(_LEAST_PIECE, len(element) - start):
                    packets.append((pieces, continues, start > 0))
                    pieces, room, continues = [], self._most - 1, start > 0
                    continue
                piece = element[start : start + space]
                pieces.append(piece)
                start += len(piece)
                room -= len(piece) + len(_leb128(len(piece)))
        if pieces:
            packets.append((pieces, continues, False))
        return packets


class Av1Assembly:
    """The `Assembly` of AV1."""

    def __init__(self) -> None:
        self._obus: list[bytes] = []
        self._fragments: list[bytes] = []
        self.configuration = b""

    def starts(self, payload: bytes) -> bool:
        """The N bit: the first packet of a coded video sequence; a temporal unit without it is no keyframe."""
        return payload[0] & (_CONTINUES | _NEW_SEQUENCE) == _NEW_SEQUENCE

    def add(self, payload: bytes) -> None:
        """The elements of one packet; `Malformed` when one is cut or fragments do not fit together."""
        head = payload[0]
        if bool(head & _CONTINUES) != bool(self._fragments):
            raise Malformed("AV1 packet that does not continue the one before")
        elements = _elements(payload)
        for index, element in enumerate(elements):
            self._fragments.append(element)
            if index < len(elements) - 1 or not head & _GOES_ON:
                self._finish_obu()

    def take(self) -> tuple[bytes, bool] | None:
        """The temporal unit."""
        if self._fragments:
            raise Malformed("AV1 OBU without its end")
        if not self._obus:
            return None
        payload = b"".join(self._obus)
        self.clear()
        keyframe = av1.is_keyframe(payload)
        if keyframe:
            self.configuration = av1.configuration_in(payload)
        return payload, keyframe

    def clear(self) -> None:
        """Forget the unit."""
        self._obus, self._fragments = [], []

    def _finish_obu(self) -> None:
        obu = b"".join(self._fragments)
        self._fragments = []
        if not obu:
            raise Malformed("empty AV1 OBU")
        if obu[0] >> 3 & 15 in _UNSENT:
            return
        if len(self._obus) == limits.OBUS:
            raise PeerLimit(f"more than {limits.OBUS} OBUs in one temporal unit")
        if not obu[0] & _HAS_SIZE:
            head = 2 if obu[0] & _HAS_EXTENSION else 1
            if len(obu) < head:
                raise Malformed("AV1 OBU without its extension")
            obu = bytes((obu[0] | _HAS_SIZE,)) + obu[1:head] + _leb128(len(obu) - head) + obu[head:]
        self._obus.append(obu)


def _elements(payload: bytes) -> list[bytes]:
    """The OBU elements of a packet: W of them, the last without its length, or, W being 0, as many as there are."""
    cursor = Cursor(payload, "AV1 packet")
    count = cursor.u8() >> 4 & 3
    found: list[bytes] = []
    while cursor.remaining and (not count or len(found) < count):
        last = len(found) == count - 1
        found.append(cursor.rest() if last else cursor.take(av1.read_leb128(cursor)))
        if len(found) > limits.OBUS:
            raise PeerLimit(f"more than {limits.OBUS} OBU elements in one packet")
    if len(found) < (count or 1):
        raise Malformed(f"AV1 packet with {len(found)} of {count} elements")
    return found


def _written(head: int, pieces: list[bytes]) -> bytes:
    if len(pieces) > 3:
        return bytes((head,)) + b"".join(_leb128(len(piece)) + piece for piece in pieces)
    sized = b"".join(_leb128(len(piece)) + piece for piece in pieces[:-1])
    return bytes((head | len(pieces) << 4,)) + sized + pieces[-1]


def _without_size(obu: av1.Obu) -> bytes:
    head = 2 if obu.raw[0] & _HAS_EXTENSION else 1
    return bytes((obu.raw[0] & ~_HAS_SIZE,)) + obu.raw[1:head] + obu.payload


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
