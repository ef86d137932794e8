"""AMF3, as much as command frames and the avmplus switch need (Adobe, "Action Message Format -- AMF 3", section 3).

Read only. Object, array and byte-array references are refused for the reason given in `amf0`; string and trait
references are followed, with a budget on the text they repeat.
"""

import struct
from dataclasses import dataclass

from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.limits import MAX_AMF_DEPTH, MAX_AMF_TEXT
from arcly_actors.protocols.rtmp.amf0 import UNDEFINED, Date, Value

_DOUBLE = struct.Struct(">d")


def decode(data: bytes, start: int = 0) -> list[Value]:
    """Every AMF3 value from `start` on, sharing one set of tables; Malformed or PeerLimit."""
    reader = _Reader(data, start)
    values: list[Value] = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def read_value(data: bytes, position: int) -> tuple[Value, int]:
    """The one value after an avmplus marker (its tables start empty, AMF0 section 3.1) and where it ends."""
    reader = _Reader(data, position)
    return reader.value(0), reader.position


@dataclass(frozen=True, slots=True)
class _Traits:
    names: tuple[str, ...]
    dynamic: bool


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        self._strings: list[str] = []
        self._traits: list[_Traits] = []
        self._text_left = MAX_AMF_TEXT

    def value(self, depth: int) -> Value:
        if depth > MAX_AMF_DEPTH:
            raise PeerLimit(f"AMF3 values nested deeper than {MAX_AMF_DEPTH}")
        marker = self._take(1)[0]
        match marker:
            case 0x00:
                return UNDEFINED
            case 0x01:
                return None
            case 0x02 | 0x03:
                return marker == 0x03
            case 0x04:
                number = self._u29()
                return float(number - (1 << 29) if number & (1 << 28) else number)
            case 0x05:
                return float(_DOUBLE.unpack(self._take(8))[0])
            case 0x06:
                return self._string()
            case _:
                return self._complex(marker, depth)

    def _complex(self, marker: int, depth: int) -> Value:
        match marker:
            case 0x07 | 0x0B:  # XML document, XML
                return self._take(self._inline()).decode("utf-8", "replace")
            case 0x08:
                self._inline()
                return Date(_DOUBLE.unpack(self._take(8))[0])
            case 0x09:
                return self._array(depth)
            case 0x0A:
                return self._object(depth)
            case 0x0C:
                return self._take(self._inline())
            case _:
                raise Malformed(f"AMF3 marker {marker:#04x} is none that RTMP uses")

    def _array(self, depth: int) -> Value:
        count = self._inline()
        named: dict[str, Value] = {}
        while name := self._string():
            named[name] = self.value(depth + 1)
        if count > len(self.data) - self.position:
            raise Malformed(f"AMF3 array of {count} elements in {len(self.data) - self.position} bytes")
        dense = [self.value(depth + 1) for _ in range(count)]
        if not named:
            return dense
        return named | {str(index): item for index, item in enumerate(dense)}

    def _object(self, depth: int) -> Value:
        traits = self._read_traits(self._u29())
        values = {name: self.value(depth + 1) for name in traits.names}
        if traits.dynamic:
            while name := self._string():
                values[name] = self.value(depth + 1)
        return values

    def _read_traits(self, flags: int) -> _Traits:
        if not flags & 1:
            raise Malformed("AMF3 object references are not taken")
        if not flags & 2:
            if flags >> 2 >= len(self._traits):
                raise Malformed("AMF3 reference to traits that were not sent")
            return self._traits[flags >> 2]
        if flags & 4:
            raise Malformed("AMF3 externalizable objects have no format that RTMP knows")
        count = flags >> 4
        self._string()  # the class name
        if count > len(self.data) - self.position:
            raise Malformed(f"AMF3 traits of {count} names in {len(self.data) - self.position} bytes")
        traits = _Traits(tuple(self._string() for _ in range(count)), bool(flags & 8))
        self._traits.append(traits)
        return traits

    def _inline(self) -> int:
        flags = self._u29()
        if not flags & 1:
            raise Malformed("AMF3 object references are not taken")
        return flags >> 1

    def _string(self) -> str:
        flags = self._u29()
        if flags & 1:
            text = self._take(flags >> 1).decode("utf-8", "replace")
            if text:
                self._strings.append(text)
            return text
        if flags >> 1 >= len(self._strings):
            raise Malformed("AMF3 reference to a string that was not sent")
        text = self._strings[flags >> 1]
        self._text_left -= len(text)
        if self._text_left < 0:
            raise PeerLimit("AMF3 string references repeat too much text")
        return text

    def _u29(self) -> int:
        value = 0
        for _ in range(3):
            byte = self._take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        return value << 8 | self._take(1)[0]

    def _take(self, count: int) -> bytes:
        piece = self.data[self.position : self.position + count]
        if len(piece) < count:
            raise Malformed(f"AMF3 value cut at byte {len(self.data)}")
        self.position += count
        return piece
