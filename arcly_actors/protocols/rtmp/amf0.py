"""AMF0, the encoding of RTMP's commands and metadata (Adobe, "Action Message Format -- AMF 0", sections 2.1-2.18).

Numbers are floats, objects are dicts in wire order, a typed object loses its class name. References (2.9) are refused:
no RTMP client sends them, and a few bytes of them describe graphs of any size.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.limits import MAX_AMF_DEPTH


class Undefined:
    """AMF's `undefined`, which is not null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


@dataclass(frozen=True, slots=True)
class Date:
    """A moment: milliseconds since 1970 UTC, and a zone (minutes) that the specification says to ignore."""

    milliseconds: float
    zone: int = 0


class EcmaArray(dict[str, "Value"]):
    """A dict that travels as an ECMA array, as players expect of onMetaData."""

    __slots__ = ()


Value: TypeAlias = "float | str | bool | Undefined | Date | bytes | Sequence[Value] | Mapping[str, Value] | None"

_NUMBER = struct.Struct(">d")
_DATE = struct.Struct(">dh")
_OBJECT_END = b"\x00\x00\x09"


def decode(data: bytes, start: int = 0) -> list[Value]:
    """Every value from `start` to the end of `data`; Malformed when cut or of no known type, PeerLimit when too deep."""
    values: list[Value] = []
    position = start
    while position < len(data):
        value, position = read_value(data, position)
        values.append(value)
    return values


def read_value(data: bytes, position: int, depth: int = 0) -> tuple[Value, int]:
    """The value at `position` and where the next one starts. Errors as in `decode`."""
    if depth > MAX_AMF_DEPTH:
        raise PeerLimit(f"AMF0 values nested deeper than {MAX_AMF_DEPTH}")
    marker = _take(data, position, 1)[0]
    position += 1
    scalar = _read_scalar(data, position, marker)
    if scalar is not None:
        return scalar
    match marker:
        case 0x03:
            return _read_properties(data, position, depth)
        case 0x08:
            _take(data, position, 4)  # the count is a hint: the end marker rules
            values, position = _read_properties(data, position + 4, depth)
            return EcmaArray(values), position
        case 0x0A:
            return _read_strict_array(data, position, depth)
        case 0x10:
            _, position = read_text(data, position, 2)
            return _read_properties(data, position, depth)
        case 0x11:
            from arcly_actors.protocols.rtmp import amf3  # noqa: PLC0415 -- the two encodings hold each other

            return amf3.read_value(data, position)
        case _:
            raise Malformed(f"AMF0 marker {marker:#04x} is none that RTMP uses")


def _read_scalar(data: bytes, position: int, marker: int) -> tuple[Value, int] | None:
    match marker:
        case 0x00:
            return _NUMBER.unpack(_take(data, position, 8))[0], position + 8
        case 0x01:
            return _take(data, position, 1)[0] != 0, position + 1
        case 0x02:
            return read_text(data, position, 2)
        case 0x05:
            return None, position
        case 0x06 | 0x0D:  # undefined, unsupported
            return UNDEFINED, position
        case 0x0B:
            milliseconds, zone = _DATE.unpack(_take(data, position, 10))
            return Date(milliseconds, zone), position + 10
        case 0x0C | 0x0F:  # long string, XML document
            return read_text(data, position, 4)
        case _:
            return None


def read_text(data: bytes, position: int, width: int) -> tuple[str, int]:
    """A string with a length of `width` bytes before it; bytes that are not UTF-8 become U+FFFD, as players do."""
    length = int.from_bytes(_take(data, position, width))
    position += width
    return _take(data, position, length).decode("utf-8", "replace"), position + length


def _read_properties(data: bytes, position: int, depth: int) -> tuple[dict[str, Value], int]:
    values: dict[str, Value] = {}
    while data[position : position + 3] != _OBJECT_END:
        name, position = read_text(data, position, 2)
        values[name], position = read_value(data, position, depth + 1)
    return values, position + 3


def _read_strict_array(data: bytes, position: int, depth: int) -> tuple[list[Value], int]:
    count = int.from_bytes(_take(data, position, 4))
    position += 4
    if count > len(data) - position:  # each element is at least its marker
        raise Malformed(f"AMF0 array of {count} elements in {len(data) - position} bytes")
    values: list[Value] = []
    for _ in range(count):
        value, position = read_value(data, position, depth + 1)
        values.append(value)
    return values, position


def _take(data: bytes, position: int, count: int) -> bytes:
    piece = data[position : position + count]
    if len(piece) < count:
        raise Malformed(f"AMF0 value cut at byte {len(data)}")
    return piece


def encode(*values: Value) -> bytes:
    """The values one after another; ValueError when nested deeper than a reader would follow."""
    out: list[bytes] = []
    for value in values:
        _write(out, value, 0)
    return b"".join(out)


def _write(out: list[bytes], value: Value, depth: int) -> None:
    if depth > MAX_AMF_DEPTH:
        raise ValueError(f"AMF0 values nested deeper than {MAX_AMF_DEPTH}")
    if isinstance(value, Mapping):
        out.append(b"\x08" + len(value).to_bytes(4) if isinstance(value, EcmaArray) else b"\x03")
        for name, item in value.items():
            out.append(_name(name))
            _write(out, item, depth + 1)
        out.append(_OBJECT_END)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        out.append(b"\x0a" + len(value).to_bytes(4))
        for item in value:
            _write(out, item, depth + 1)
    else:
        out.append(_scalar(value))


def _scalar(value: Value) -> bytes:
    match value:
        case None:
            return b"\x05"
        case bool():
            return b"\x01\x01" if value else b"\x01\x00"
        case int() | float():
            return b"\x00" + _NUMBER.pack(value)
        case str():
            return _text(value)
        case Undefined():
            return b"\x06"
        case Date():
            return b"\x0b" + _DATE.pack(value.milliseconds, value.zone)
        case _:
            raise ValueError("AMF0 has no byte array")


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "replace")
    if len(raw) <= 0xFFFF:
        return b"\x02" + len(raw).to_bytes(2) + raw
    return b"\x0c" + len(raw).to_bytes(4) + raw


def _name(name: str) -> bytes:
    raw = name.encode("utf-8", "replace")
    if len(raw) > 0xFFFF:
        raise ValueError("an AMF0 property name has at most 65535 bytes")
    return len(raw).to_bytes(2) + raw


def whole(value: Value, default: int = 0) -> int:
    """A number as an integer; `default` for what is no number or has no integer (NaN, infinity)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return int(value) if abs(value) < 2**53 else default
