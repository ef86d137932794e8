"""Marble notation: a stream as a line of text, for the small cases: ``"k--d--d--k|"``.

Each character is a unit of time: ``-`` nothing, ``k`` a keyframe, ``d`` a picture that needs those before it, ``a``
sound, ``|`` the end, ``#`` a failure. As in reactivex, blanks count for nothing, what is in brackets comes at once, at
the time of the opening one, and brackets and commas take their time: ``(ka)`` is four units long. Other letters and
digits are what `lookup` says. Of a viewer ``^`` is when it comes and ``!`` when it goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import reactivex
from reactivex import abc
from reactivex.notification import OnCompleted, OnNext
from reactivex.testing import ReactiveTest, TestScheduler

from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import ConfigurationError
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track

PICTURES = Track(0, CodecId.VP8)
SOUND = Track(1, CodecId.OPUS, sample_rate=48_000, channels=2)
UNIT = 40 * NS_PER_MS
"""Of time, in ns, unless another is asked for: a picture at 25 a second."""

_FRAMES = "kda"
_ENDS = "|#"
_MOST = 100_000
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SUBSCRIBED = 200.0
_PATIENCE = 1000


@dataclass(frozen=True, slots=True)
class Mark:
    """What comes at a time, in units."""

    at: int
    what: str


@dataclass(frozen=True, slots=True)
class Marbles:
    """What came, in order. Equal to a text that says the same; printed as one."""

    marks: tuple[Mark, ...]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.marks == read(other)
        return self.marks == other.marks if isinstance(other, Marbles) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.marks)

    def __repr__(self) -> str:
        return repr(drawn(self.marks))


def read(text: str, known: Iterable[str] = ()) -> tuple[Mark, ...]:
    """The marks of a text; ConfigurationError tells which character is none. `known`: further ones."""
    allowed = {*_FRAMES, *_ENDS, "^", "!", *known}
    marks: list[Mark] = []
    opened: int | None = None
    for at, character in enumerate(text.replace(" ", "")):
        if at > _MOST:
            raise ConfigurationError(f"marbles of more than {_MOST} characters")
        if character == "(" and opened is None:
            opened = at
        elif character == ")" and opened is not None:
            opened = None
        elif character in allowed or (known == "any" and character.isalnum()):
            if any(mark.what in _ENDS for mark in marks):
                raise ConfigurationError(f"{text!r}: nothing comes after the end")
            marks.append(Mark(opened if opened is not None else at, character))
        elif not (character == "-" and opened is None) and not (character == "," and opened is not None):
            raise ConfigurationError(f"{text!r}: {character!r} at {at} is no marble; there are k d a | # - and ( )")
    if opened is not None:
        raise ConfigurationError(f"{text!r}: the bracket at {opened} is not closed")
    return tuple(marks)


def drawn(marks: Sequence[Mark]) -> str:
    """The text of marks. What comes while a bracket is still open in the text is written with its time: `` @7:d``."""
    text = ""
    times = sorted({mark.at for mark in marks})
    for time in times:
        together = "".join(mark.what for mark in marks if mark.at == time)
        if len(together) > 1:
            together = f"({together})"
        text += f" @{time}:{together}" if time < len(text) else "-" * (time - len(text)) + together
    return text


def frame_of(mark: Mark, unit: int = UNIT) -> MediaFrame:
    """The frame that stands for k, d or a: its times are the mark's, its payload says which it is."""
    track, time = SOUND if mark.what == "a" else PICTURES, mark.at * unit
    return MediaFrame(track, time, time, f"{mark.what}{mark.at}".encode(), keyframe=mark.what != "d")


def mark_of(value: object, at: int) -> Mark:
    """The mark that a frame is, or any other value by its text."""
    if isinstance(value, MediaFrame):
        sound = value.track.kind is not PICTURES.kind
        return Mark(at, "a" if sound else "k" if value.keyframe else "d")
    return Mark(at, str(value))


class MarbleTest:
    """The `marbles` fixture: ``marbles("k--d--d--k|")`` is an observable of frames in virtual time.

    `of` gives what comes of an observable, `watched` what viewers of a stream see.
    """

    def __init__(self, unit: int = UNIT) -> None:
        self._scheduler = TestScheduler()
        self._unit = unit
        self._length = 0

    def __call__(self, text: str, lookup: Mapping[str, Any] = _NOTHING) -> reactivex.Observable[Any]:
        """A cold observable: each subscriber gets it from its beginning. ``#`` is ``Exception("error")``."""
        messages = []
        for mark in read(text, known=lookup or "any"):
            if mark.what == "|":
                messages.append(ReactiveTest.on_completed(mark.at))
            elif mark.what == "#":
                messages.append(ReactiveTest.on_error(mark.at, Exception("error")))
            else:
                value = frame_of(mark, self._unit) if mark.what in _FRAMES else mark.what
                messages.append(ReactiveTest.on_next(mark.at, lookup.get(mark.what, value)))
        self._length = max(self._length, len(text))
        return self._scheduler.create_cold_observable(*messages)

    @property
    def scheduler(self) -> abc.SchedulerBase:
        """For operators that take one: a unit is a second of it."""
        return self._scheduler

    def of(self, made: reactivex.Observable[Any]) -> Marbles:
        """What comes of an observable; once for each fixture, for time goes on only once."""
        until = _SUBSCRIBED + self._length + _PATIENCE
        observer = self._scheduler.start(lambda: made, created=100.0, subscribed=_SUBSCRIBED, disposed=until)
        marks = []
        for message in observer.messages:
            at, notification = round(float(message.time) - _SUBSCRIBED), message.value
            if isinstance(notification, OnNext):
                marks.append(mark_of(notification.value, at))
            else:
                marks.append(Mark(at, "|" if isinstance(notification, OnCompleted) else "#"))
        return Marbles(tuple(marks))

    def watched(self, text: str, *viewers: str, join: Join | str | None = None, topology: Any = None) -> list[Marbles]:
        """What each viewer of a stream sees that is published so, by an engine in virtual time.

        A viewer is the text of when it comes (``^``) and goes (``!``); unless told it is there from the beginning to the
        end. ``|`` ends the stream; at ``#`` the publisher's actor fails, and the stream is held.
        """
        from arcly_actors.script.marble_engine import watch  # noqa: PLC0415 - an engine: for who wants one

        chosen = Join(join) if isinstance(join, str) else join
        return watch(text, viewers or ("^",), self._unit, chosen, topology)
