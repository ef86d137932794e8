"""Reads requests, responses and interleaved frames from bytes that are cut anywhere.

What real devices send and this takes: line ends of LF alone, empty lines between messages, folded fields, a body of SDP
that goes on behind its Content-Length, one that ends before it (`cut`). A `lenient` reader (a client's: cameras are what
they are) also passes over what is no message at all, up to a bound; a server's does not.
"""

import re
from collections import Counter

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.message import DOLLAR, VERSION, Fields, Incoming, Interleaved, Request, Response

_RESPONSE = re.compile(r"RTSP/(\d)\.(\d) (\d{3})(?: (.*))?", re.ASCII)
_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) +(\S+) +([A-Z]{3,5}/\d\.\d)", re.ASCII)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_SDP_LINE = re.compile(rb"[a-z]=[^\r\n]*\r?\n")


class MessageReader:
    """See the module. `skipped` counts bytes that belonged to no message."""

    def __init__(self, bounds: RtspLimits | None = None, *, lenient: bool = False) -> None:
        self._limits = bounds or RtspLimits()
        self._lenient = lenient
        self._buffer = bytearray()
        self._at = 0
        self._head: tuple[str, Fields] | None = None
        self._wanted = 0
        self._garbage = 0
        self.skipped: Counter[str] = Counter()

    @property
    def waits_for_body(self) -> bool:
        """Whether a head is there and its body is not."""
        return self._head is not None

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def frames(self) -> list[tuple[int, bytes]]:
        """The `Interleaved` that come next, as far as they are whole, as bare pairs: nearly all that ever comes."""
        found: list[tuple[int, bytes]] = []
        if self._head is not None:
            return found
        at, end = self._at, len(self._buffer)
        with memoryview(self._buffer) as buffer:
            while end - at > 3 and buffer[at] == DOLLAR:
                start = at + 4
                stop = start + (buffer[at + 2] << 8 | buffer[at + 3])
                if stop > end:
                    break
                found.append((buffer[at + 1], bytes(buffer[start:stop])))
                at = stop
        if found:
            self._at, self._garbage = at, 0
        return found

    def next(self) -> Incoming | None:
        """The next message, None when it is not all there. `Malformed` and `PeerLimit` are the connection's end."""
        while True:
            if self._head is not None:
                return self._body()
            self._skip_line_ends()
            if self._at == len(self._buffer):
                return None
            if self._buffer[self._at] == DOLLAR:
                return self._frame()
            if not self._read_head():
                return None

    def cut(self) -> Incoming | None:
        """The body has not come in time: the message with what there is of it."""
        if self._head is None:
            return None
        self._wanted = len(self._buffer) - self._at
        return self._body()

    def _skip_line_ends(self) -> None:
        at, end = self._at, len(self._buffer)
        while at < end and self._buffer[at] in b"\r\n":
            at += 1
        self._at = at

    def _frame(self) -> Interleaved | None:
        at = self._at
        if len(self._buffer) - at < 4:
            return None
        end = at + 4 + (self._buffer[at + 2] << 8 | self._buffer[at + 3])
        if end > len(self._buffer):
            return None
        self._at = end
        self._garbage = 0
        return Interleaved(self._buffer[at + 1], bytes(self._buffer[at + 4 : end]))

    def _read_head(self) -> bool:
        """Whether to go on: a head was read, or something was passed over."""
        if self._lenient and self._pass_over():
            return True
        found = _HEAD_END.search(self._buffer, self._at)
        if (found.start() if found else len(self._buffer)) - self._at > self._limits.max_head:
            raise PeerLimit(f"a message head of more than {self._limits.max_head} bytes", code=400)
        if found is None:
            self._check_start()
            return False
        text = bytes(self._buffer[self._at : found.start()]).decode("utf-8", "replace")
        self._at = found.end()
        start, *lines = text.split("\n")
        fields = self._fields(lines)
        self._wanted = self._length(fields)
        self._head = (start.rstrip("\r "), fields)
        self._garbage = 0
        return True

    def _check_start(self) -> None:
        """A start line that is none need not be waited for to its end."""
        end = self._buffer.find(b"\n", self._at)
        if end >= 0:
            line = bytes(self._buffer[self._at : end]).decode("utf-8", "replace").rstrip("\r ")
            if not _is_start(line):
                raise Malformed(f"not a message of RTSP: {line[:60]!r}", code=400)

    def _pass_over(self) -> bool:
        """Leave out one line that begins no message, or what stands before the next frame; whether there was any."""
        end = self._buffer.find(b"\n", self._at)
        if end < 0 and len(self._buffer) - self._at <= self._limits.max_head:
            return False
        stop = end + 1 if end >= 0 else len(self._buffer)
        line = bytes(self._buffer[self._at : stop]).decode("utf-8", "replace").rstrip()
        if _is_start(line):
            return False
        self._garbage += stop - self._at
        self.skipped["garbage"] += stop - self._at
        self._at = stop
        if self._garbage > limits.RTSP_GARBAGE:
            raise Malformed("nothing that RTSP would be", code=400)
        return True

    def _fields(self, lines: list[str]) -> Fields:
        fields: list[tuple[str, str]] = []
        for line in lines:
            text = line.rstrip("\r")
            if text[:1] in {" ", "\t"} and fields:  # folded (RFC 822, which RFC 2326 §4.2 follows)
                fields[-1] = (fields[-1][0], f"{fields[-1][1]} {text.strip()}")
                continue
            name, colon, value = text.partition(":")
            if not colon or not _NAME.fullmatch(name.strip()):
                if self._lenient:
                    self.skipped["field"] += 1
                    continue
                raise Malformed(f"not a header field: {text[:60]!r}", code=400)
            if len(fields) == self._limits.max_fields:
                raise PeerLimit(f"more than {self._limits.max_fields} header fields", code=400)
            fields.append((name.strip(), value.strip()))
        return Fields(fields)

    def _length(self, fields: Fields) -> int:
        text = fields.get("Content-Length", "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise Malformed(f"a Content-Length of {text[:40]!r}", code=400)
        if int(text) > self._limits.max_body:
            raise PeerLimit(f"a body of more than {self._limits.max_body} bytes", code=413)
        return int(text)

    def _body(self) -> Incoming | None:
        assert self._head is not None
        end = self._at + self._wanted
        if end > len(self._buffer):
            return None
        start, fields = self._head
        if "sdp" in fields.get("Content-Type").lower():
            end = self._beyond(end)
        body = bytes(self._buffer[self._at : end])
        self._at, self._head = end, None
        return _message(start, fields, body)

    def _beyond(self, end: int) -> int:
        """Where a description really ends, as far as it is there: with its last line."""
        stop = end
        cut = stop > self._at and not self._buffer.endswith(b"\n", self._at, stop)
        broken = self._buffer.find(b"\n", stop) if cut else -1
        if broken >= 0 and self._buffer[stop] != DOLLAR:  # its length cuts through a line, unless a message follows
            rest = bytes(self._buffer[stop:broken]).decode("utf-8", "replace").rstrip("\r ")
            stop = stop if _is_start(rest) else broken + 1
        while line := _SDP_LINE.match(self._buffer, stop):
            stop = line.end()
        if stop - self._at > self._limits.max_body:
            return end
        self.skipped["behind-content-length"] += stop - end
        return stop


def _is_start(line: str) -> bool:
    return _RESPONSE.fullmatch(line) is not None or _REQUEST.fullmatch(line) is not None


def _message(start: str, fields: Fields, body: bytes) -> Request | Response:
    answered = _RESPONSE.fullmatch(start)
    if answered is not None:
        return Response(int(answered[3]), answered[4] or "", fields, body)
    asked = _REQUEST.fullmatch(start)
    if asked is None:
        raise Malformed(f"not a message of RTSP: {start[:60]!r}", code=400)
    method, uri, version = asked.groups()
    if not version.startswith("RTSP/"):
        raise Malformed(f"{version} is not {VERSION}", code=400)
    return Request(method, uri, fields, body, version)
