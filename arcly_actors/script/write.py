"""Writing a script: one JSON object per line, fields always in the same order, so that two versions can be compared."""

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from arcly_actors.script.record import VERSION, Head, Record, Script

_dumps = json.JSONEncoder(ensure_ascii=True, separators=(", ", ": "), allow_nan=False).encode


def open_for_owner(path: str | Path) -> BinaryIO:
    """A new file that only its owner reads: a tape has what peers sent, passwords and stream keys too. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def head_line(head: Head, side: str = "") -> bytes:
    """The first line; what has its default is left out."""
    defaults = _fields(Head())
    values = {name: _plain(value) for name, value in _fields(head).items() if value != defaults[name]}
    return _line({"script": VERSION, **({"side": side} if side else {}), **values})


def record_line(record: Record, part: tuple[int, int] | None = None) -> bytes:
    """One record; `part` is where a side file has its payload."""
    values: dict[str, Any] = {"at": record.at, "is": record.kind, **record.fields}
    if "also" in values and not values["also"]:
        del values["also"]
    if part is not None:
        values["part"] = list(part)
    line = _line(values)
    if part is not None or record.data is None:
        return line
    return b'%b, "data": "%b"}\n' % (line[:-2], base64.b64encode(record.data))


def write(head: Head, records: Iterable[Record]) -> Iterable[bytes]:
    """The lines of a script, payloads in them."""
    yield head_line(head)
    for record in records:
        yield record_line(record)


def write_file(script: Script, path: str | Path, *, side: bool = False) -> None:
    """Write a script; with `side` its payloads go to a file beside it, ``NAME.bin``, the same payload once."""
    file = Path(path)
    if not side:
        with file.open("wb") as out:
            out.writelines(write(script.head, script.records))
        return
    beside = file.with_suffix(".bin")
    parts: dict[bytes, tuple[int, int]] = {}
    end = 0
    with file.open("wb") as out, beside.open("wb") as payloads:
        out.write(head_line(script.head, beside.name))
        for record in script.records:
            part = parts.get(record.data) if record.data is not None else None
            if record.data is not None and part is None:
                part = parts[record.data] = (end, len(record.data))
                end += len(record.data)
                payloads.write(record.data)
            out.write(record_line(record, part))


def _fields(head: Head) -> dict[str, Any]:
    return {name: getattr(head, name) for name in head.__dataclass_fields__}


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def _line(values: dict[str, Any]) -> bytes:
    return f"{_dumps(values)}\n".encode("ascii")
