"""Recordings: tapes that the engine makes by itself, of one stream, of those that a pattern names, or of everything."""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.errors import Refused
from arcly_actors.topology.reading import DIRECTORY
from arcly_actors.topology.section import Section
from arcly_actors.topology.values import Bytes, DurationNs, Within, duration_text, fault

_PLACES: Final = frozenset({"key", "time"})
_PATTERN: Final = re.compile(r"[A-Za-z0-9_~@+=.*/-]{1,512}", re.ASCII)


def _read_pattern(text: str) -> str:
    if "*" in text:
        if not _PATTERN.fullmatch(text):
            raise fault("key", f"{text[:70]!r} is no pattern", "a key, of which * stands for any part: live/*")
        return text
    try:
        return str(StreamKey.parse(text))
    except Refused as refused:
        raise fault("key", refused.detail) from None


def _read_name(text: str) -> str:
    try:
        names = {name for _, name, form, change in Formatter().parse(text) if name is not None or form or change}
        plain = not any(form or change for _, _, form, change in Formatter().parse(text))
    except ValueError as error:
        raise fault("name", f"{text[:70]!r}: {error}", "{key} and {time} are filled in") from None
    if not plain or names - _PLACES:
        raise fault("name", f"{text[:70]!r} has more in braces than is filled in", "{key} and {time} are")
    if not text.endswith(".jsonl") or text.endswith("/.jsonl") or text == ".jsonl" or "\0" in text:
        raise fault("name", f"{text[:70]!r} is no file name of a script", "it ends in .jsonl: tapes/{key}-{time}.jsonl")
    return text


class Recording(Section):
    """One entry of `record:`. A tape begins with the engine, or with each stream, and is replayed by ``arcly script``."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    key: Annotated[
        str, AfterValidator(_read_pattern), WithJsonSchema({"type": "string", "examples": ["live/cam", "live/*", "*"]})
    ] = Field(default="*", description="a stream; or a pattern, in which * is any text; *: everything")
    to: Annotated[str, AfterValidator(_read_name)] = Field(
        description="the file, from this file's directory; {key} and {time} are filled in, folders made. None is written "
        "over: another one gets a number"
    )
    begin: Literal["engine", "stream"] | None = Field(
        default=None,
        description="engine: one tape from the engine's start, with publishers' bytes from the first on; stream: one for "
        "each stream when it begins, its publisher by frames. Unless told, stream for a pattern, else engine",
    )
    payload: bool = Field(default=True, description="false: frames and what goes out are told by their digests only")
    length: Annotated[DurationNs, Within("1s", "24h")] | None = Field(
        default=None,
        validation_alias="for",  # `alias` would be the name in Python, too, where it is a keyword
        serialization_alias="for",
        description="how long, from the beginning of the (first) stream on; none: to its end",
    )
    max: Annotated[Bytes, Within("64KiB", "64GiB")] = Field(
        default=limits.TAPE_SIZE, description="the largest file; a tape that is full ends"
    )
    tapes: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=limits.RECORDING_TAPES, description="how many files this entry makes at most while the engine runs"
    )

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        if self.begin == "engine" and self._some:
            hint = "name one stream, or * for everything, or leave 'begin' out"
            raise fault("begin", "from the engine's start on there is one stream, or everything", hint, at="begin")
        if self.by_stream and "*" in self.key and "{key}" not in self.to:
            raise fault("name", "many streams, and one name", "have {key} in it: tapes/{key}-{time}.jsonl", at="to")
        directory: Path | None = (info.context or {}).get(DIRECTORY)
        if directory is None:
            return self
        path = directory / self.to
        beyond = _unwritable(path)
        if beyond:
            raise fault("file", beyond, "a relative name starts from the topology's directory", at="to")
        return self.model_copy(update={"to": str(path)})

    @property
    def _some(self) -> bool:
        return "*" in self.key and self.key != "*"

    @property
    def by_stream(self) -> bool:
        """Whether each stream has a tape of its own, which begins with it."""
        return self._some if self.begin is None else self.begin == "stream"

    @property
    def one(self) -> str | None:
        """The key of the one stream that it is for; None for patterns and for everything."""
        return None if "*" in self.key else self.key

    def takes(self, key: object) -> bool:
        """Whether a stream is recorded."""
        return fnmatchcase(str(key), self.key)

    def may_take(self, application: str) -> bool:
        """Whether a stream of this application can be meant."""
        start = self.key.partition("*")[0]
        if "*" not in self.key:
            return self.key.rpartition("/")[0] == application
        return f"{application}/".startswith(start) or start.startswith(f"{application}/")

    def path(self, key: str, time: str) -> Path:
        """Where the next tape goes: a name that nothing has yet. OSError when the folder cannot be made."""
        named = Path(self.to.format(key=key, time=time))
        named.parent.mkdir(parents=True, exist_ok=True)
        found, number = named, 1
        while found.exists():
            number += 1
            found = named.with_stem(f"{named.stem}-{number}")
        return found

    def told(self) -> str:
        """Its name in the supervision tree."""
        length = f" for {duration_text(self.length)}" if self.length is not None else ""
        return f"{self.key} to {self.to}{length}"


def _unwritable(path: Path) -> str:
    """Why no file can be made there; empty when one can, as far as it can be seen now."""
    fixed = next((each for each in (path, *path.parents) if "{" not in str(each)), path)
    folder: Any = fixed.parent if fixed == path else fixed
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no directory"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written to"
