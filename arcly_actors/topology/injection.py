"""Faults on purpose: what `faults:` of a topology injects, and what ``arcly script edit`` does to a script.

A `Fault` is a value that says what goes wrong, where and when; `script.faults` has what it does.
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from arcly_actors.errors import ConfigurationError
from arcly_actors.topology.section import Section
from arcly_actors.topology.values import DurationNs, Within, duration_text, fault

OPERATORS: Final = ("loss", "jitter", "stall", "refuse", "crash", "disconnect", "clock_jump")
_LASTING: Final = frozenset({"loss", "jitter", "stall", "refuse"})
"""Those that go on for a while, or for ever; others come at a moment."""

Actor = Literal[
    "publisher", "subscriber", "stream", "gop", "connection", "listener", "port", "srt-port", "rtp-ports", "feed",
    "supervisor", "directory", "frames", "site", "rtmp-session", "rtsp-session", "http-session", "srt-session",
    "webrtc-port", "whip-session", "whep-session", "packager", "muxer", "rendition", "source", "sink", "pull", "push",
]  # fmt: skip
ACTORS: Final[tuple[str, ...]] = get_args(Actor)
"""Kinds of actors that a crash can name."""

_PLACE: Final = re.compile(r"[A-Za-z0-9_~@+=.*/-]{1,512}", re.ASCII)
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%", re.ASCII)


def share(text: str) -> float:
    """``3%`` as 0.03; ConfigurationError for anything else."""
    match = _SHARE.fullmatch(text)
    if match is None or float(match[1]) > 100:
        raise ConfigurationError(f"{text!r} is not a share; write it as 3%")
    return float(match[1]) / 100


def share_text(value: float) -> str:
    """A share as `share` reads it."""
    return f"{round(value * 100, 6):g}%"


def _read_share(value: object) -> object:
    if isinstance(value, str):
        try:
            return share(value)
        except ConfigurationError:
            raise fault("share", f"{value[:40]!r} is not a share", "write it as 3%") from None
    if isinstance(value, bool) or not isinstance(value, float) or not 0 <= value <= 1:
        raise fault("share", f"{value!r} is not a share", "write it as 3%")
    return value


def _read_jump(value: object) -> object:
    return value.removeprefix("+") if isinstance(value, str) else value


def _read_place(text: str) -> str:
    if not _PLACE.fullmatch(text):
        raise fault("on", f"{text[:70]!r} is no place", "a stream (live/cam, live/*), an endpoint (rtmp) or rtmp-2")
    return text


Place = Annotated[
    str,
    AfterValidator(_read_place),
    WithJsonSchema({"type": "string", "examples": ["live/cam", "live/*", "rtmp", "rtmp-2"]}),
]
"""A stream's key, an endpoint, or a connection by its number at its endpoint; ``*`` stands for any text. What is
dialled is at ``pull`` and ``push``.
"""

Share = Annotated[
    float,
    BeforeValidator(_read_share),
    PlainSerializer(share_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$", "examples": ["3%"]}),
]
"""A share of what comes in, written in per cent."""


class Fault(Section):
    """One thing that goes wrong on purpose. Exactly one of `OPERATORS`."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    loss: Share | None = Field(
        default=None,
        description="share of frames from programs and of datagrams (SRT, RTP, feeds, WebRTC's packets) that does not "
        "arrive; of a TCP connection's reads, which are late as what is sent again is",
    )
    jitter: Annotated[DurationNs, Within("1ms", "1m")] | None = Field(
        default=None,
        description="what comes in is up to so late; frames of programs and TCP connections' reads stay in order",
    )
    stall: Place | None = Field(
        default=None, description="of whom nothing comes for a while: reads are late, frames and datagrams lost"
    )
    refuse: Place | None = Field(default=None, description="whose sources and sinks dial in vain: pull, push or a stream")
    crash: Actor | None = Field(default=None, description="the newest actor of this kind fails")
    disconnect: Place | None = Field(
        default=None, description="whose oldest connection breaks (SRT callers and feeds fall silent); *: anybody's"
    )
    clock_jump: Annotated[DurationNs, BeforeValidator(_read_jump), Within("1ms", "24h")] | None = Field(
        default=None,
        validation_alias="clock-jump",
        serialization_alias="clock-jump",
        description="the wall clock is set forward by this",
    )
    on: Place = Field(
        default="*", description="loss and jitter: what they are for, a stream, an endpoint or a connection"
    )
    at: Annotated[DurationNs, Within("0s", "24h")] | None = Field(
        default=None, description="when, from the engine's start on; what lasts: from then on"
    )
    length: Annotated[DurationNs, Within("1ms", "24h")] | None = Field(
        default=None,
        validation_alias="for",  # a keyword in Python
        serialization_alias="for",
        description="what lasts (loss, jitter, stall, refuse): how long; none: for ever",
    )
    every: Annotated[DurationNs, Within("10ms", "24h")] | None = Field(
        default=None, description="crash and disconnect: again and again, so far apart"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(default=0, description="of the chance in it")

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [name for name in OPERATORS if getattr(self, name) is not None]
        if len(named) != 1:
            told = "says nothing that goes wrong" if not named else f"says {' and '.join(map(_written, named))}"
            raise fault("fault", told, f"one of {', '.join(map(_written, OPERATORS))} to an entry")
        passing = named[0] in _LASTING
        if not passing and self.at is None and self.every is None:
            raise fault("at", f"a {_written(named[0])} has a time", "add at: 2.5s", at=_written(named[0]))
        wrong = (
            {"on": self.on != "*", "for": self.length is not None} if not passing else {"every": self.every is not None}
        )
        wrong |= {"on": self.on != "*"} if named[0] in ("stall", "refuse") else {}
        wrong |= {"every": self.every is not None} if named[0] == "clock_jump" else {}
        for key in (key for key, given in wrong.items() if given):
            raise fault("fault", f"a {_written(named[0])} has no {key!r}", "remove it", at=key)
        return self

    @property
    def lasting(self) -> bool:
        """Whether it goes on for a while."""
        return self.operator in _LASTING

    @property
    def place(self) -> str:
        """Whom it is for."""
        return self.stall or self.refuse or self.disconnect or self.on

    @property
    def operator(self) -> str:
        """Which of them it is."""
        return next(name for name in OPERATORS if getattr(self, name) is not None)

    def told(self) -> str:
        """In a line, as on the command line."""
        what = {
            "loss": lambda: f"loss {share_text(self.loss or 0)}",
            "jitter": lambda: f"jitter {duration_text(self.jitter or 0)}",
            "stall": lambda: f"stall {self.stall}",
            "refuse": lambda: f"refuse {self.refuse}",
            "crash": lambda: f"crash {self.crash}",
            "disconnect": lambda: f"disconnect {self.disconnect}",
            "clock_jump": lambda: f"clock-jump +{duration_text(self.clock_jump or 0)}",
        }[self.operator]()
        parts: list[tuple[str, Any]] = [("@", self.at), (" every ", self.every), (" for ", self.length)]
        times = "".join(f"{word}{duration_text(value)}" for word, value in parts if value is not None)
        on = f" on {self.on}" if self.operator in ("loss", "jitter") and self.on != "*" else ""
        chance = f" (seed {self.seed})" if self.operator in ("loss", "jitter") else ""
        return f"{what}{times}{on}{chance}"


def means(place: str, *names: str) -> bool:
    """Whether a `Place` means who has these names."""
    return place == "*" or any(fnmatchcase(name, place) for name in names)


def _written(name: str) -> str:
    return name.replace("_", "-")
