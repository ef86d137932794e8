"""The text of a session description (RFC 8866): sections of attributes, read and written without judging them.

What the attributes mean is the protocols' own business. Lines that neither WebRTC nor RTSP has a use for (``b=``,
``i=``, ``k=``…) are passed over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit

Attribute = tuple[str, str]
"""``a=name:value``; the value of a flag is empty."""

_LOOPBACK = "127.0.0.1"
_UNSPECIFIED = "0.0.0.0"  # noqa: S104  # not bound to: it says that the address comes from ICE (RFC 8840 §4.1.1)


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def nothing() -> Mapping[Any, Any]:
    """An empty mapping, for defaults of values (a mapping proxy is hashable only from Python 3.12 on)."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Section:
    """One ``m=`` line and its attributes in order. `port` is 0 when rejected (or bundle-only, RFC 9143 §6)."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()

    def find(self, name: str) -> str | None:
        """The first value of an attribute, None when it is not there."""
        return find(self.attributes, name)

    def every(self, name: str) -> Iterator[str]:
        """All values of an attribute."""
        return every(self.attributes, name)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A description: the attributes of the session and its sections. `origin` is the first two fields of ``o=``."""

    attributes: tuple[Attribute, ...]
    sections: tuple[Section, ...]
    session_id: str = "0"
    version: str = "1"

    def text(self) -> str:
        """The description as it is sent, with CRLF."""
        lines = ["v=0", f"o=- {self.session_id} {self.version} IN IP4 {_LOOPBACK}", "s=-", "t=0 0"]
        lines += attribute_lines(self.attributes)
        for section in self.sections:
            lines.append(section_line(section))
            lines.append(f"c=IN IP4 {_UNSPECIFIED}")
            lines += attribute_lines(section.attributes)
        return "\r\n".join([*lines, ""])


def find(attributes: tuple[Attribute, ...], name: str) -> str | None:
    """The first value of an attribute, None when it is not there."""
    return next(every(attributes, name), None)


def every(attributes: tuple[Attribute, ...], name: str) -> Iterator[str]:
    """All values of an attribute."""
    return (value for key, value in attributes if key == name)


def attribute_lines(attributes: tuple[Attribute, ...]) -> list[str]:
    """The ``a=`` lines."""
    return [f"a={name}:{value}" if value else f"a={name}" for name, value in attributes]


def section_line(section: Section) -> str:
    """The ``m=`` line."""
    return f"m={section.kind} {section.port} {section.protocol} {' '.join(section.formats)}"


def parse(text: str) -> SessionDescription:
    """Read a description. `Malformed` when it is none, `PeerLimit` past a bound of `limits`."""
    lines = list(read_lines(text))
    if not lines or lines[0] != ("v", "0"):
        raise Malformed("the description does not begin with v=0")
    origin = next((value.split() for key, value in lines if key == "o"), [])
    if len(origin) != 6:
        raise Malformed("the description has no proper o= line")
    attributes, sections = read_sections(lines)
    return SessionDescription(attributes, sections, origin[1], origin[2])


def read_lines(text: str) -> Iterator[tuple[str, str]]:
    """The ``key=value`` lines; line ends may be LF alone (RFC 8866 §5)."""
    if len(text) > limits.SDP_CHARACTERS:
        raise PeerLimit(f"a description of more than {limits.SDP_CHARACTERS} characters")
    lines = text.split("\n")
    if len(lines) > limits.SDP_LINES:
        raise PeerLimit(f"a description of more than {limits.SDP_LINES} lines")
    for line in lines:
        stripped = line.removesuffix("\r")
        if not stripped:
            continue
        if stripped[1:2] != "=" or not stripped.isprintable():
            raise Malformed(f"not a line of a description: {stripped[:40]!r}")
        yield stripped[0], stripped[2:].strip()


def read_sections(lines: list[tuple[str, str]]) -> tuple[tuple[Attribute, ...], tuple[Section, ...]]:
    """The attributes before the first ``m=`` line, and the sections."""
    session: list[Attribute] = []
    found: list[tuple[str, list[Attribute]]] = []
    for key, value in lines:
        if key == "m":
            found.append((value, []))
        elif key == "a":
            name, _, rest = value.partition(":")
            (found[-1][1] if found else session).append((name, rest.strip()))
    if len(found) > limits.SDP_SECTIONS:
        raise PeerLimit(f"a description of more than {limits.SDP_SECTIONS} sections")
    return tuple(session), tuple(_section(line, attributes) for line, attributes in found)


def _section(line: str, attributes: list[Attribute]) -> Section:
    kind, port, protocol, *formats = [*line.split(" ", 3), "", "", ""][:4]
    codes = tuple(formats[0].split())
    if not (kind and protocol and codes):
        raise Malformed(f"not a media line: {line[:40]!r}")
    if len(codes) > limits.SDP_FORMATS:
        raise PeerLimit(f"an m-line of more than {limits.SDP_FORMATS} formats")
    return Section(kind, unsigned(port.partition("/")[0], 65535, "port"), protocol, codes, tuple(attributes))


def unsigned(text: str, most: int, what: str) -> int:
    """A decimal number of 0 to `most`; `Malformed` otherwise."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 20) or int(text) > most:
        raise Malformed(f"{what} is not a number up to {most}: {text[:40]!r}")
    return int(text)
