"""RTSP messages (RFC 2326 §4, §6, §7) and interleaved frames (§10.12) as values, and how they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

VERSION = "RTSP/1.0"
DOLLAR = 0x24


class Fields:
    """Header fields in order; names are compared without regard to case (§4.2)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return next(self.every(name), default)

    def every(self, name: str) -> Iterator[str]:
        """All values of a field."""
        wanted = name.lower()
        return (value for key, value in self._fields if key.lower() == wanted)

    def __contains__(self, name: str) -> bool:
        return next(self.every(name), None) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Fields({self._fields!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `sequence` is its CSeq, None without a proper one."""

    method: str
    uri: str
    fields: Fields = Fields()  # noqa: RUF009 - immutable
    body: bytes = b""
    version: str = VERSION

    @property
    def sequence(self) -> int | None:
        """The number that the response repeats (§12.17)."""
        return _number(self.fields.get("CSeq"))


@dataclass(frozen=True, slots=True)
class Response:
    """A response."""

    status: int
    reason: str
    fields: Fields = Fields()  # noqa: RUF009 - immutable
    body: bytes = b""

    @property
    def sequence(self) -> int | None:
        """The CSeq of the request that it answers."""
        return _number(self.fields.get("CSeq"))


class Interleaved(NamedTuple):
    """RTP or RTCP within the connection."""

    channel: int
    data: bytes


Incoming: TypeAlias = Request | Response | Interleaved


def write_request(request: Request) -> bytes:
    """The bytes of a request; Content-Length is added where there is a body."""
    return _write(f"{request.method} {request.uri} {VERSION}", request.fields, request.body)


def write_response(response: Response) -> bytes:
    """The bytes of a response."""
    return _write(f"{VERSION} {response.status} {response.reason}", response.fields, response.body)


def write_interleaved(channel: int, data: bytes) -> bytes:
    """One frame: ``$``, the channel, the length in 16 bits, and the packet."""
    return b"".join((b"$", channel.to_bytes(1), len(data).to_bytes(2), data))


def _write(start: str, fields: Fields, body: bytes) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in fields)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join([*lines, "", ""])
    return text.encode("utf-8", "replace") + body


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None
