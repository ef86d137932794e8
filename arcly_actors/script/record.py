"""What a script is made of: a head, and records in the order in which they happened.

`KINDS` is the one table of records; specs/scripts/FORMAT.md says what each of them means.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from arcly_actors.errors import ConfigurationError

VERSION = 1
"""The version of the format that is written; readers take this one only."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: the types of its fields by name; those in `optional` may be missing. `has_data`: a payload."""

    fields: Mapping[str, type | tuple[type, ...]] = field(default_factory=_nothing)
    optional: frozenset[str] = frozenset()
    has_data: bool = False
    comes_in: bool = False


_NONE: frozenset[str] = frozenset()
_NUMBER = (int, float)
_SPAN = (int, str)
_WHEN: Mapping[str, type] = {"turns": int, "late": int}
"""In which order with what was near it an input came, where its time does not tell."""


def _came(
    fields: Mapping[str, type | tuple[type, ...]], optional: frozenset[str] = _NONE, *, has_data: bool = False
) -> Kind:
    return Kind({**fields, **_WHEN}, optional | frozenset(_WHEN), has_data, comes_in=True)


KINDS: Mapping[str, Kind] = {
    # What decides how it goes on.
    "draw": _came({"bytes": str, "number": _NUMBER}, frozenset({"bytes", "number"})),
    "open": _came({"who": str, "on": str, "peer": str, "local": str, "udp": bool}, frozenset({"local", "udp"})),
    "in": _came({"who": str}, has_data=True),
    "datagram": _came({"who": str}, has_data=True),
    "eof": _came({"who": str, "why": str}, frozenset({"why"})),
    "lost": _came({"who": str, "error": str, "why": str}, frozenset({"error", "why"})),
    "drained": _came({"who": str}),
    "remote": _came({"who": str, "does": str, "key": str, "url": str, "options": dict}, frozenset({"options"})),
    "withdrawn": _came({"who": str}),
    "found": _came({"who": str, "peer": str}),
    "bound": _came({"who": str, "local": str}),
    "unanswered": _came({"who": str, "why": str}),
    "reply": _came({"who": str, "status": int, "headers": dict}, frozenset({"headers"}), has_data=True),
    "session": _came({"who": str, "key": str, "fingerprint": str, "candidates": list}, frozenset({"key"})),
    "connected": _came({"who": str, "peer": str, "profile": str}, frozenset({"profile"})),
    "rtp-in": _came({"who": str}, has_data=True),
    "rtcp-in": _came({"who": str}, has_data=True),
    "closed": _came({"who": str, "reason": str, "error": str}, frozenset({"error"})),
    "publish": _came(
        {
            "key": str,
            "who": str,
            "marble": str,
            "step": _SPAN,
            "seats": int,
            "metadata": dict,
            "clock": str,
            "answers": bool,
        },
        frozenset({"who", "marble", "step", "seats", "metadata", "clock", "answers"}),
    ),
    "send": _came(
        {"who": str, "track": int, "pts": int, "dts": int, "keyframe": bool, "kept": bool, "waited": int},
        frozenset({"keyframe", "kept", "waited"}),
        has_data=True,
    ),
    "unpublish": _came({"who": str}),
    "view": _came({"key": str, "who": str, "join": str, "number": int}, frozenset({"join", "number"})),
    "leave": _came({"who": str}),
    "pause": _came({"who": str}),
    "resume": _came({"who": str}),
    "crash": _came({"actor": str, "which": int}, frozenset({"which"})),
    "clock": _came({"jump": _SPAN}),
    "time": _came({"rang": int}, frozenset({"rang"})),
    "over": _came({"key": str}),
    # What comes of it.
    "out": Kind({"who": str, "left": int, "also": list}, frozenset({"left", "also"}), has_data=True),
    "sent": Kind({"who": str}, has_data=True),
    "shut": Kind({"who": str}),
    "dial": Kind({"who": str, "to": str}),
    "request": Kind({"who": str, "method": str, "url": str, "headers": dict}, frozenset({"headers"}), has_data=True),
    "rtp-out": Kind({"who": str}, has_data=True),
    "rtcp-out": Kind({"who": str}, has_data=True),
    "told": Kind({"who": str, "what": str, "with": dict}, frozenset({"with"})),
    "asked": Kind({"who": str, "what": str, "with": dict}, frozenset({"with"})),
    "event": Kind({"what": str, "with": dict}, frozenset({"with"})),
    "tracks": Kind({"key": str, "tracks": list, **_WHEN}, frozenset(_WHEN)),
    "frame": Kind(
        {"key": str, "track": int, "pts": int, "dts": int, "keyframe": bool, "discontinuity": bool},
        frozenset({"keyframe", "discontinuity"}),
        has_data=True,
    ),
    "seen": Kind(
        {"who": str, "track": int, "pts": int, "dts": int, "keyframe": bool}, frozenset({"keyframe"}), has_data=True
    ),
    # What is expected, and how it ended.
    "expect": Kind(
        {"expect": str, "within": _SPAN, "who": str, "count": int, "monotonic": str, "type": str, "with": dict},
        frozenset({"within", "who", "count", "monotonic", "type", "with"}),
        comes_in=True,
    ),
    "end": Kind({"reason": str}, frozenset({"reason"}), comes_in=True),
}


class ScriptError(ConfigurationError):
    """A script cannot be used; the text begins with file and line (0: the whole file)."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source}:{line}: {problem}" if line else f"{source}: {problem}")
        self.source = source
        self.line = line


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened, `at` ns after the script's beginning.

    `data` is its payload; one that was not kept is told by the fields ``size`` and ``hash`` (`digest`). Other fields than
    those of its kind belong to the event, command or track that it tells of. `line` is where a file has it, 0 elsewhere.
    """

    at: int
    kind: str
    fields: Mapping[str, Any] = field(default_factory=_nothing)
    data: bytes | None = None
    line: int = field(default=0, compare=False)

    @property
    def who(self) -> str:
        """Whose it is: a connection, a publisher or a viewer of this script; empty for the engine's own."""
        return str(self.fields.get("who", ""))

    @property
    def comes_in(self) -> bool:
        """Whether it is done to the engine, not by it."""
        return KINDS[self.kind].comes_in or (self.kind == "tracks" and "who" in self.fields)

    def get(self, name: str, default: Any = None) -> Any:
        """One of its fields."""
        return self.fields.get(name, default)

    def each(self) -> "Iterator[Record]":
        """One for each connection that these bytes were written to."""
        fields = {name: value for name, value in self.fields.items() if name != "also"}
        for who in (self.who, *self.fields["also"]):
            yield replace(self, fields={**fields, "who": who})

    def hashed(self) -> "Record":
        """The same without its payload, of which size and digest stay."""
        if self.data is None:
            return self
        return replace(self, fields=told_by_digest(self.fields, self.data), data=None)


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: where and when the script comes from, and what its engine was told.

    `monotonic_ns` and `wall_ns` are the clocks at its beginning. `exact`: what comes out is what a replay made of it, so
    it is compared to the last bit and nanosecond; otherwise a real engine's (specs/scripts/FORMAT.md). `seed` is for
    entropy that is not among the records.
    """

    topology: Mapping[str, Any] = field(default_factory=_nothing)
    key: str = ""
    monotonic_ns: int = 0
    wall_ns: int = 1_700_000_000_000_000_000
    seed: int = 0
    exact: bool = False
    provenance: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script. `cut` says that its last line was incomplete and left out; `source` is its name in errors."""

    head: Head
    records: tuple[Record, ...]
    cut: bool = False
    source: str = "<script>"

    @property
    def duration_ns(self) -> int:
        """When its last record is."""
        return self.records[-1].at if self.records else 0

    def error(self, record: Record, problem: str) -> ScriptError:
        """What to raise about one of its records."""
        return ScriptError(self.source, record.line, problem)


def in_order(records: Iterable[Record]) -> tuple[Record, ...]:
    """By time, those of one time as they are; the end is last, and not before what it ends."""
    found = sorted(records, key=lambda record: (record.kind == "end", record.at))
    if len(found) > 1 and found[-1].at < found[-2].at:
        found[-1] = replace(found[-1], at=found[-2].at)
    return tuple(found)


def told_by_digest(fields: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    """The fields with what stands for a payload that is not kept."""
    return {**fields, "size": len(data), "hash": digest(data)}


def digest(data: bytes) -> str:
    """What stands for a payload: its BLAKE2b with 16 bytes, in hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
