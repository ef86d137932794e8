"""Stream keys: ``application/name``, the one name a stream has in every protocol."""

import re
from dataclasses import dataclass

from arcly_actors.errors import Refusal, Refused

_SEGMENT = re.compile(r"[A-Za-z0-9_~@+=][A-Za-z0-9._~@+=-]{0,127}")
_MAX_SEGMENTS = 4


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """Where a stream lives. `application` may have several segments (``live/room``); `name` is one.

    A segment is 1-128 ASCII letters, digits and ``. _ ~ @ + = -``, not beginning with a dot or a dash, so a key is safe
    in a URL, a file name and a log line. Raises `Refused` (bad request) for anything else: keys come from peers.
    """

    application: str
    name: str

    def __post_init__(self) -> None:
        segments = self.application.split("/")
        if len(segments) > _MAX_SEGMENTS or not all(_SEGMENT.fullmatch(part) for part in (*segments, self.name)):
            raise Refused(
                Refusal.BAD_REQUEST,
                f"{self.application[:64] + '/' + self.name[:64]!r} is not a stream key; use application/name with "
                "letters, digits and . _ ~ @ + = -",
            )

    @classmethod
    def parse(cls, text: str) -> "StreamKey":
        """Read ``application/name``; the last slash divides. Raises `Refused`."""
        application, _, name = text.strip("/").rpartition("/")
        return cls(application, name)

    def __str__(self) -> str:
        return f"{self.application}/{self.name}"
