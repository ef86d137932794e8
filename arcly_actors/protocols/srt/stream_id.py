"""Stream ids: what a caller wants, in a word or in the access-control syntax (draft-sharabayko-srt, Appendix B).

::

    publish:live/cam                   read:live/cam  (or request:, play:, subscribe:)
    #!::r=live/cam,m=publish           m=request (the default), m=play; u, s, t and h may be there
    #!:{r: …}                          is not read: nested keys are of no use here
    live/cam                           reads: who says nothing more wants to watch

A query after the name (``live/cam?token=…``) goes to the bus as that of an RTMP URL does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from arcly_actors.protocols.srt.reject import Reject, Rejected

_PREFIX: Final = "#!::"
_PUBLISH: Final = frozenset({"publish"})
_READ: Final = frozenset({"read", "request", "play", "subscribe"})
_LIVE: Final = frozenset({"", "stream"})
_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants: to publish or to read, which resource, as which user."""

    publishes: bool
    path: str
    user: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_stream_id(text: str) -> Wanted:
    """Raises Rejected (bad request, unsupported mode) with what would be right."""
    if text.startswith(_PREFIX):
        return _access_control(text.removeprefix(_PREFIX))
    if text.startswith("#!:"):
        raise Rejected(Reject.BAD_REQUEST, "the stream id is none: write #!::r=application/name,m=publish")
    mode, separator, path = text.partition(":")
    if not separator:
        mode, path = "read", text
    return _wanted(mode, path, "")


def _access_control(text: str) -> Wanted:
    keys: dict[str, str] = {}
    for pair in text.split(","):
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise Rejected(Reject.BAD_REQUEST, "a pair of the stream id has no '='")
        keys[name] = value
    if keys.get("t", "") not in _LIVE:
        raise Rejected(Reject.UNSUPPORTED_MEDIA, "only live streams go over SRT here: t=stream")
    return _wanted(keys.get("m", "request"), keys.get("r", ""), keys.get("u", ""))


def _wanted(mode: str, path: str, user: str) -> Wanted:
    if mode not in _PUBLISH | _READ:
        raise Rejected(Reject.BAD_MODE, "the stream id's mode is none of publish, request and read")
    path, _, query = path.partition("?")
    path = path.removeprefix("/")
    if not path:
        raise Rejected(Reject.BAD_REQUEST, "there is no stream id: write publish:application/name, or read:")
    try:
        parameters = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_PARAMETERS))
    except ValueError:
        raise Rejected(Reject.BAD_REQUEST, "the query of the stream id has too many parts") from None
    return Wanted(mode in _PUBLISH, path, user, MappingProxyType(parameters))
