"""Text to a validated model, or every fault in it at once."""

from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from arcly_actors import limits
from arcly_actors.topology.document import Node, Repeated, Unreadable, compose
from arcly_actors.topology.explain import explain
from arcly_actors.topology.faults import TopologyError, TopologyFault

M = TypeVar("M", bound=BaseModel)

VERSION_KEY: Final = "version"
DIRECTORY: Final = "directory"
"""The key of the validation context that holds the directory which relative file names start from."""


def read_file(path: Path) -> str:
    """The text of a topology file; TopologyError when it cannot be had."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.TOPOLOGY_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TopologyError([TopologyFault(str(path), 0, 0, "", f"cannot be read: {reason}")]) from error
    if len(data) > limits.TOPOLOGY_BYTES:
        raise TopologyError([TopologyFault(str(path), 0, 0, "", f"larger than {limits.TOPOLOGY_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        fault = TopologyFault(str(path), line, column, "", "is not UTF-8 text", "save the file as UTF-8")
        raise TopologyError([fault]) from error


def read(model: type[M], text: str, source: str, directory: Path | None) -> M:
    """The `model` written in `text`; `source` names it in faults. Raises TopologyError with all that is wrong.

    With a `directory` the files that the text names are looked up from there, and have to be right too.
    """
    if len(text) > limits.TOPOLOGY_BYTES:
        raise TopologyError([TopologyFault(source, 0, 0, "", f"larger than {limits.TOPOLOGY_BYTES} bytes")])
    try:
        root, repeated = compose(text)
    except Unreadable as error:
        raise TopologyError([TopologyFault(source, error.line, error.column, "", error.message, error.hint)]) from None
    faults = [_repeated_fault(source, each) for each in repeated]
    value = None
    if (missing := _version_missing(source, root)) is not None:
        faults.append(missing)
    try:
        value = model.model_validate({} if root.value is None else root.plain(), context={DIRECTORY: directory})
    except ValidationError as error:
        faults.extend(_faults(error, model, source, root))
    if faults or value is None:
        raise TopologyError(faults[: limits.TOPOLOGY_FAULTS])
    return value


def _faults(error: ValidationError, model: type[BaseModel], source: str, root: Node) -> list[TopologyFault]:
    schema = model.model_json_schema()
    faults = []
    for details in error.errors(include_url=False):
        told = explain(details, schema)
        line, column = root.place(told.path, of_key=told.of_key)
        faults.append(TopologyFault(source, line, column, dotted(told.path), told.message, told.hint))
    # Another version has other keys: what this one thinks of them is noise.
    return [fault for fault in faults if fault.key == VERSION_KEY] or faults


def _version_missing(source: str, root: Node) -> TopologyFault | None:
    if isinstance(root.value, dict | None) and VERSION_KEY not in (root.value or {}):
        return TopologyFault(
            source, root.line, root.column, VERSION_KEY, "is missing", "begin the file with 'version: 1'"
        )
    return None


def _repeated_fault(source: str, repeated: Repeated) -> TopologyFault:
    message = f"given twice: the first is on line {repeated.first_line}"
    return TopologyFault(source, repeated.line, repeated.column, dotted(repeated.path), message, "keep one")


def dotted(path: tuple[str | int, ...]) -> str:
    """A path as people write it: ``sources[0].url``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")[:200]
