"""Where a client wants to publish or play, from the pieces that clients spread it over.

For ``rtmp://host/live/room/cam?token=x`` FFmpeg sends app ``live/room`` and name ``cam?token=x``, librtmp sends
``live`` and ``room/cam?token=x``; an encoder with one field for everything sends app ``live/room/cam`` and no name.
All of them mean the path ``live/room/cam`` with a parameter ``token``.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from arcly_actors.errors import Refusal, Refused
from arcly_actors.limits import MAX_QUERY_FIELDS, MAX_STREAM_PATH

PORTS: Final = {"rtmp": 1935, "rtmps": 443}
"""The ports that clients take when the URL has none (RTMPS: what every platform uses)."""

_FILE_PREFIXES = ("mp4:", "flv:", "mp3:")  # FFmpeg and Flash mark file types so; to a live stream it says nothing


@dataclass(frozen=True, slots=True)
class Address:
    """A clean path (no leading slash, percent-decoded) and the parameters of its query."""

    path: str
    parameters: dict[str, str]


def application_address(app: str, tc_url: str) -> Address:
    """The address that connect names; parameters of the app win over those of tcUrl. Refused when not clean."""
    path, parameters = _split(app)
    url_path, url_parameters = _split(_url_path(tc_url))
    clean = clean_path(path or url_path)
    return Address(clean.removesuffix("_definst_").rstrip("/"), url_parameters | parameters)


def stream_address(application: Address, tc_url: str, name: str) -> tuple[Address, str]:
    """The full address of stream `name` and the clean name; Refused when not clean or altogether empty.

    Without a name, the last part of tcUrl's path stands for it, or else the last part of the application's.
    """
    path, parameters = _split(name)
    for prefix in _FILE_PREFIXES:
        path = path.removeprefix(prefix)
    leaf = clean_path(path)
    whole = "/".join(filter(None, (application.path, leaf)))
    if not leaf:
        url = clean_path(_split(_url_path(tc_url))[0])
        whole = url if url.startswith(f"{application.path}/") else whole
        leaf = whole.rpartition("/")[2]
    if not leaf:
        raise Refused(Refusal.BAD_REQUEST, "no stream name")
    if len(whole) > MAX_STREAM_PATH:
        raise Refused(Refusal.BAD_REQUEST, f"a stream name of more than {MAX_STREAM_PATH} characters")
    return Address(whole, application.parameters | parameters), leaf


def client_address(path: str, query: str) -> tuple[str, str]:
    """How a client asks for a URL's path and query: the application and the stream's name, the last with the query.

    As FFmpeg divides them: a path of one part is an application without a name, as MediaMTX has it. Refused for none.
    """
    query = f"?{query}" if query else ""
    application, _, name = path.strip("/").rpartition("/")
    if not name:
        raise Refused(Refusal.BAD_REQUEST, "an RTMP address names a stream: rtmp://host/application/name")
    return (application, name + query) if application else (name + query, "")


def clean_path(text: str) -> str:
    """`text` without empty segments, percent-decoded segment by segment; Refused for what has no business in a path."""
    if len(text) > 3 * MAX_STREAM_PATH:
        raise Refused(Refusal.BAD_REQUEST, f"a stream name of more than {MAX_STREAM_PATH} characters")
    try:
        segments = [unquote(segment, errors="strict") for segment in text.split("/") if segment]
    except UnicodeDecodeError:
        raise Refused(Refusal.BAD_REQUEST, "the stream name's percent-encoding is not UTF-8") from None
    for segment in segments:
        if segment in {".", ".."} or not segment.isprintable() or set(segment) & set("/\\\ufffd"):
            raise Refused(Refusal.BAD_REQUEST, "the stream name holds a character or segment that is not taken")
    return "/".join(segments)


def _split(text: str) -> tuple[str, dict[str, str]]:
    path, _, query = text.partition("?")
    try:
        return path, dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        raise Refused(Refusal.BAD_REQUEST, f"more than {MAX_QUERY_FIELDS} parameters in the query") from None


def _url_path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2]
