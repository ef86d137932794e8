"""YAML text to plain values that remember where they stood.

ruamel.yaml scans and parses; the values are made here from its events, so that every one has its line and column, a
key given twice is a fault, and size, depth and aliases are bounded before anything is built. The values are those of
YAML's core schema: null, true/false, numbers, text (``yes`` and ``12:30`` are text). Tags are refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from arcly_actors import limits
from arcly_actors.topology.values import unitless

Scalar = str | int | float | bool | None
Step = str | int
Path = tuple[Step, ...]

_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Unreadable(Exception):
    """The text is not a YAML document we read; where (from 1) and why."""

    def __init__(self, line: int, column: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.line, self.column, self.message, self.hint = line, column, message, hint


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place (from 1); `size` counts it and all below it. `keys` are the places of a mapping's keys."""

    line: int
    column: int
    value: "Scalar | dict[str, Node] | list[Node]"
    size: int = 1
    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def plain(self) -> object:
        """The value without places; numbers are marked as unitless."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return unitless(self.value)
        return self.value

    def place(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of what stands at `path` (of its key, if wanted), or of the nearest thing above it."""
        node, last = self, (self.line, self.column)
        for step in path:
            children = node.value
            if isinstance(children, dict) and isinstance(step, str) and step in children:
                key, node = node.keys[step], children[step]
            elif isinstance(children, list) and isinstance(step, int) and step < len(children):
                node = children[step]
                key = (node.line, node.column)
            else:
                return last
            last = key if of_key else (node.line, node.column)
        return last


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that a mapping has twice: the second place, the path, and the line of the first."""

    line: int
    column: int
    path: Path
    first_line: int


def compose(text: str) -> tuple[Node, list[Repeated]]:
    """The document in `text`, and its repeated keys (the first of each counts). Raises Unreadable."""
    try:
        return _Composer(text).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = _first_line(error.problem or error.context)
        raise Unreadable(line, column, f"not YAML: {problem}", _yaml_hint(text, line)) from None
    except (YAMLError, ValueError, OverflowError) as error:  # the reader's own: characters YAML forbids, odd escapes
        raise Unreadable(1, 1, f"not YAML: {_first_line(str(error))}") from None


class _Composer:
    """One pass over the parser's events. Recursion is as deep as TOPOLOGY_DEPTH lets it be."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Event] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._repeated: list[Repeated] = []

    def document(self) -> tuple[Node, list[Repeated]]:
        next(self._events)
        event = next(self._events)
        if isinstance(event, StreamEndEvent):
            return Node(1, 1, None), []
        root = self._node(next(self._events), ())
        next(self._events)
        event = next(self._events)
        if isinstance(event, DocumentStartEvent):
            raise Unreadable(*_start(event), "a second document", "a topology is one document: remove the '---'")
        return root, self._repeated

    def _node(self, event: Event, path: Path) -> Node:
        place = _start(event)
        if len(path) > limits.TOPOLOGY_DEPTH:
            raise Unreadable(*place, f"nested deeper than {limits.TOPOLOGY_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if not isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent):
            raise Unreadable(*place, "a value was expected here")
        if event.tag is not None and event.tag != "!":
            raise Unreadable(*place, f"the tag {event.tag} is not supported", "remove it")
        self._count(place, 1)
        if isinstance(event, MappingStartEvent):
            node = self._mapping(place, path)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(place, path)
        else:
            node = Node(*place, _scalar(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _count(self, place: tuple[int, int], nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > limits.TOPOLOGY_NODES:
            raise Unreadable(*place, f"more than {limits.TOPOLOGY_NODES} values (aliases count in full)")

    def _alias(self, event: AliasEvent) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise Unreadable(*_start(event), f"the alias *{event.anchor} has no anchor before it")
        self._count(_start(event), node.size)
        return node

    def _mapping(self, place: tuple[int, int], path: Path) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        size = 1
        while not isinstance(event := next(self._events), MappingEndEvent):
            key_place = _start(event)
            if not isinstance(event, ScalarEvent):
                raise Unreadable(*key_place, "a key has to be a word")
            key = str(event.value)
            node = self._node(next(self._events), (*path, key))
            size += node.size
            if node.value is None and node.line > key_place[0]:  # no value at all: YAML places it at the next token
                node = replace(node, line=key_place[0], column=key_place[1])
            if key in children:
                self._repeated.append(Repeated(*key_place, (*path, key), keys[key][0]))
            else:
                children[key], keys[key] = node, key_place
        return Node(*place, children, size, keys)

    def _sequence(self, place: tuple[int, int], path: Path) -> Node:
        children: list[Node] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            children.append(self._node(event, (*path, len(children))))
        return Node(*place, children, 1 + sum(node.size for node in children))


def _start(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _scalar(event: ScalarEvent) -> Scalar:
    text = str(event.value)
    if not event.implicit[0]:  # quoted or block text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _first_line(text: str | None) -> str:
    return (text or "unknown error").splitlines()[0][:200]


def _yaml_hint(text: str, number: int) -> str:
    lines = text.splitlines()
    tab = number <= len(lines) and "\t" in lines[number - 1]
    return "YAML indents with spaces, not tabs" if tab else ""
