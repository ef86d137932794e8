"""Reading a script: JSON Lines, each error with its file and line, and a truncated last line survived."""

import base64
import binascii
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError
from arcly_actors.script.record import KINDS, VERSION, Head, Kind, Record, Script, ScriptError
from arcly_actors.topology.explain import nearest
from arcly_actors.topology.values import duration

_HEAD = {
    "topology": dict, "key": str, "monotonic_ns": int, "wall_ns": int, "seed": int, "exact": bool, "provenance": dict,
    "side": str,
}  # fmt: skip


class _Wrong(ValueError):
    """What is wrong with a line; the caller knows which."""


@dataclass(slots=True)
class _Before:
    """What the lines so far say about those that follow."""

    at: int = 0
    side: bytes | None = None


def read_file(path: str | Path) -> Script:
    """The script in the file at `path`, with the side file that it names beside it. Raises ScriptError."""
    file = Path(path)
    try:
        with file.open("rb") as lines:
            return read(lines, str(path), file.parent)
    except OSError as error:
        raise ScriptError(str(path), 0, error.strerror or str(error)) from None


def read(lines: Iterable[bytes], source: str = "<script>", directory: Path | None = None) -> Script:
    """The script in `lines`, each with its line feed. Raises ScriptError.

    A last line without one, which cannot be read, was being written when its writer ended: it is left out. Side files
    are looked for in `directory`.
    """
    numbered = _numbered(lines)
    number, first = next(numbered, (1, b""))
    before = _Before()
    try:
        head = _head(_object(first), before, directory)
    except _Wrong as wrong:
        raise ScriptError(source, number, str(wrong)) from None
    records: list[Record] = []
    for number, line in numbered:
        try:
            record = _record(_object(line), number, before)
            records.extend(record.each() if "also" in record.fields else (record,))
        except _Wrong as wrong:
            if not line.endswith(b"\n"):
                return Script(head, tuple(records), cut=True, source=source)
            raise ScriptError(source, number, str(wrong)) from None
        if len(records) > limits.SCRIPT_RECORDS:
            raise ScriptError(source, number, f"more than {limits.SCRIPT_RECORDS} records")
    return Script(head, tuple(records), source=source)


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that say something: empty ones and those that begin with # are for people."""
    for number, line in enumerate(lines, 1):
        if (text := line.strip()) and not text.startswith(b"#"):
            yield number, line


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > limits.SCRIPT_LINE:
        raise _Wrong(f"longer than {limits.SCRIPT_LINE} bytes")
    try:
        value = json.loads(line, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"not JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise _Wrong("not an object: each line is one, {...}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _reason(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _head(values: dict[str, Any], before: _Before, directory: Path | None) -> Head:
    version = values.pop("script", None)
    if version != VERSION or isinstance(version, bool):
        said = "says no version" if version is None else f"is of version {str(version)[:20]}"
        raise _Wrong(f'the first line {said}: it begins with {{"script": {VERSION}, ...}}')
    for name, value in values.items():
        if name not in _HEAD:
            raise _Wrong(f"the head has no {name[:40]!r}{_hint(name, _HEAD)}")
        _typed(name, value, _HEAD[name])
    side = values.pop("side", None)
    if side is not None:
        before.side = _side(side, directory)
    known = {field.name for field in fields(Head)}
    return Head(**{name: value for name, value in values.items() if name in known})


def _side(name: str, directory: Path | None) -> bytes:
    if directory is None or Path(name).name != name:
        raise _Wrong(f"the side file {name[:80]!r} is not beside the script")
    try:
        return (directory / name).read_bytes()
    except (OSError, ValueError) as error:
        raise _Wrong(f"the side file {name[:80]!r} cannot be read: {error}") from None


def _record(values: dict[str, Any], number: int, before: _Before) -> Record:
    name = values.pop("is", "expect" if "expect" in values else None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or kind is None:
        raise _Wrong(f"{str(name)[:40]!r} is no kind of record{_hint(str(name), KINDS)}")
    at = span(values.pop("at", before.at), "at")
    if at < before.at:
        raise _Wrong(f"{at} ns is before the record above it ({before.at} ns)")
    before.at = at
    data = _data(values, before)
    _check(values, kind, name, has_data=data is not None)
    return Record(at, name, values, data, number)


def _check(values: Mapping[str, Any], kind: Kind, name: str, *, has_data: bool) -> None:
    for field, wanted in kind.fields.items():
        if field in values:
            _typed(field, values[field], wanted)
        elif field not in kind.optional:
            raise _Wrong(f"a record {name!r} has {field!r}, which is missing")
    for field in ("within", "step", "jump"):
        if field in kind.fields and field in values:
            span(values[field], field)
    hashed = "hash" in values or "size" in values
    if hashed:
        _typed("hash", values.get("hash"), str)
        _typed("size", values.get("size"), int)
    if kind.has_data and not has_data and not hashed:
        raise _Wrong(f"a record {name!r} has 'data' (base64), 'part' of a side file, or 'hash' and 'size'")
    if not all(isinstance(who, str) for who in values.get("also", ())):
        raise _Wrong("'also' is a list of names")
    if name == "draw":
        _check_draw(values)


def _check_draw(values: Mapping[str, Any]) -> None:
    if ("bytes" in values) == ("number" in values):
        raise _Wrong("a record 'draw' has either 'bytes' or 'number'")
    if "bytes" in values:
        unhex(values["bytes"])


def _data(values: dict[str, Any], before: _Before) -> bytes | None:
    if "data" in values:
        text = values.pop("data")
        _typed("data", text, str)
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _Wrong(f"'data' is not base64: {error}") from None
    if "part" not in values:
        return None
    part = values.pop("part")
    if not (isinstance(part, list) and len(part) == 2 and all(type(each) is int and each >= 0 for each in part)):
        raise _Wrong("'part' is [offset, size] of a side file")
    if before.side is None:
        raise _Wrong("there is a 'part' here, and no 'side' file in the head")
    start, size = part
    if start + size > len(before.side):
        raise _Wrong(f"the side file ends at {len(before.side)}, before {start + size}")
    return before.side[start : start + size]


def span(value: Any, name: str) -> int:
    """A time in ns, written as such or with a unit (``500ms``). Raises ValueError."""
    if isinstance(value, str):
        try:
            value = duration(value.removeprefix("+"))
        except ConfigurationError as error:
            raise _Wrong(f"{name!r}: {error}") from None
    if type(value) is not int or not 0 <= value <= limits.SCRIPT_SPAN:
        raise _Wrong(f"{name!r} is ns, or a duration as 500ms, of a day at most; not {str(value)[:40]!r}")
    return value


def unhex(text: str) -> bytes:
    """Bytes from hexadecimal. Raises ValueError."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _Wrong(f"{text[:40]!r} is not hexadecimal") from None


def _typed(name: str, value: Any, wanted: type | tuple[type, ...]) -> None:
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _Wrong(f"{name!r} is {_NAMES.get(kinds[0], kinds[0].__name__)}, not {json.dumps(value)[:60]}")


def _hint(word: str, known: Iterable[str]) -> str:
    hint = nearest(word[:40], known)
    return f" ({hint})" if hint else f"; there are {', '.join(sorted(known))}"


_NAMES = {str: "a text", int: "a whole number", dict: "an object", list: "a list", bool: "true or false"}
