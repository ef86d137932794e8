"""The values a topology is written with: sizes (``32MiB``), durations (``200ms``), addresses (``127.0.0.1:1935``).

In a file each has its unit beside it. In Python a size is an int of bytes and a duration an int of nanoseconds; the
text is understood there too (``duration("10s")``).
"""

import ipaddress
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from arcly_actors.errors import ConfigurationError

DURATION_UNITS: Final = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
SIZE_UNITS: Final = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}

# At most 15 + 9 digits, so that what is read is always an int of sane length.
_QUANTITY: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]+)", re.ASCII)
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-)){0,9}", re.ASCII)
_LOOPBACKS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_EVERY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def fault(kind: str, message: str, hint: str = "", *, at: str = "") -> PydanticCustomError:
    """What a validator of a topology raises: `message` says what is wrong, `hint` what would be right.

    A check across several keys names in `at` the one to mend (dotted, below what is validated).
    """
    return PydanticCustomError(kind, "{problem}", {"problem": message, "hint": hint, "at": at})


def _quantity(text: str, units: dict[str, int]) -> int | None:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in units:
        return None
    exact = Fraction(match[1]) * units[match[2]]
    return int(exact) if exact.denominator == 1 else None


def duration(text: str) -> int:
    """``10s``, ``200ms``, ``1.5m`` as nanoseconds; ConfigurationError for anything else."""
    value = _quantity(text, DURATION_UNITS)
    if value is None:
        raise ConfigurationError(f"{text!r} is not a duration; write a number and ns, us, ms, s, m or h: 10s, 200ms")
    return value


def size(text: str) -> int:
    """``32MiB``, ``64KiB``, ``1GB`` as bytes; ConfigurationError for anything else."""
    value = _quantity(text, SIZE_UNITS)
    if value is None:
        raise ConfigurationError(f"{text!r} is not a size; write a number and B, KiB, MiB, GiB, kB, MB or GB: 32MiB")
    return value


def _in_largest_unit(value: int, units: dict[str, int]) -> str:
    unit = next(unit for unit, factor in units.items() if (value and value % factor == 0) or factor == 1)
    return f"{value // units[unit]}{unit}"


def duration_text(ns: int) -> str:
    """Nanoseconds as `duration` reads them, in the largest unit that divides them."""
    return _in_largest_unit(ns, DURATION_UNITS) if ns else "0s"


def size_text(count: int) -> str:
    """Bytes as `size` reads them, in the largest binary unit that divides them."""
    return _in_largest_unit(count, {unit: factor for unit, factor in SIZE_UNITS.items() if "i" in unit or unit == "B"})


def _read_duration(value: object) -> object:
    if isinstance(value, _Unitless):
        raise fault("duration", f"the duration {int(value)} has no unit", f"write {int(value)}s or {int(value)}ms")
    return _read_text(value, "duration", duration, "10s or 200ms")


def _read_size(value: object) -> object:
    return int(value) if isinstance(value, _Unitless) else _read_text(value, "size", size, "32MiB or 64KiB")


def _read_text(value: object, kind: str, read: Any, examples: str) -> object:
    if isinstance(value, str):
        try:
            return read(value)
        except ConfigurationError:
            raise fault(kind, f"{_shown(value)} is not a {kind}", f"write it as {examples}") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault(kind, f"{_shown(value)} is not a {kind}", f"write it as {examples}")
    if value < 0:
        raise fault(kind, f"a {kind} cannot be negative", f"write it as {examples}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Unitless(int):
    """A number as a file has it: without a unit, and therefore not yet a duration."""

    __slots__ = ()


def unitless(value: int) -> int:
    """Mark a number that came out of a file, where a duration needs its unit."""
    return _Unitless(value)


DurationNs = Annotated[
    int,
    BeforeValidator(_read_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ns|us|ms|s|m|h)$", "examples": ["10s", "200ms"]}),
]
"""Nanoseconds, written with a unit."""

Bytes = Annotated[
    int,
    BeforeValidator(_read_size),
    PlainSerializer(size_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB|kB|MB|GB)$",
            "minimum": 0,
            "examples": ["32MiB", 65536],
        }
    ),
]
"""Bytes, written with a unit or as a plain number."""


@dataclass(frozen=True, slots=True)
class Within:
    """Bounds, both included, on a size or duration; shown in the words that the file is written in."""

    low: str
    high: str

    def __get_pydantic_core_schema__(self, source: Any, inner: GetCoreSchemaHandler) -> CoreSchema:
        read, shown = (duration, duration_text) if self.high[-1] in "smh" else (size, size_text)
        low, high = read(self.low), read(self.high)

        def check(value: int) -> int:
            if not low <= value <= high:
                raise fault("range", f"{shown(value)} is out of range", f"from {self.low} to {self.high}")
            return value

        return core_schema.no_info_after_validator_function(check, inner(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, inner: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**inner(schema), "$comment": f"from {self.low} to {self.high}"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds: `host` is an address or name (IPv6 without brackets); port 0: the system chooses."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``127.0.0.1:1935``, ``[::1]:1935``, ``localhost:1935``; ConfigurationError says what is wrong with others."""
        host, colon, port = text.rpartition(":")
        if not colon:
            raise ConfigurationError(f"{_shown(text)} has no port; write host:port, as in 127.0.0.1:1935")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
            raise ConfigurationError(f"{_shown(port)} is not a port; a port is a number from 0 to 65535")
        return cls(_host(host, port), int(port))

    def overlaps(self, other: "Address") -> bool:
        """Whether both cannot be bound at once: the same port on the same, or on every, interface."""
        if self.port != other.port or self.port == 0:
            return False
        same = self.host == other.host or (
            {self.host, other.host} <= _LOOPBACKS and "localhost" in {self.host, other.host}
        )
        return same or bool(_EVERY & {self.host, other.host})

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host(host: str, port: str) -> str:
    if not host:
        raise ConfigurationError(f"':{port}' has no host; write 0.0.0.0:{port} for every interface, or 127.0.0.1:{port}")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return str(ipaddress.IPv6Address(host[1:-1]) if bracketed else ipaddress.IPv4Address(host))
    except ValueError:
        pass
    if ":" in host and not bracketed:
        raise ConfigurationError(f"an IPv6 address goes in brackets: [::1]:{port}")
    # A name of digits and dots only is a mistyped IPv4 address: no top-level domain is a number (RFC 1123 §2.1).
    if _HOST_NAME.fullmatch(host) is None or host.rpartition(".")[2].isdigit():
        raise ConfigurationError(f"{_shown(host)} is neither an IP address nor a host name")
    return host.lower()


def _read_address(value: object) -> object:
    if isinstance(value, str):
        try:
            return Address.parse(value)
        except ConfigurationError as error:
            problem, _, hint = str(error).partition("; ")
            raise fault("address", problem, hint) from None
    if isinstance(value, Address):
        return value
    raise fault("address", f"{_shown(value)} is not an address", 'write host:port, as in "127.0.0.1:1935"')


Listen = Annotated[
    Address,
    BeforeValidator(_read_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^.+:[0-9]{1,5}$", "examples": ["127.0.0.1:1935", "[::]:8080"]}),
]
"""Where a listener binds, written ``host:port``."""
