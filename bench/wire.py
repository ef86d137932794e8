"""The publisher's side of RTMP on a blocking socket: handshake, commands, and messages cut into chunks ahead of time.

Written apart from the package on purpose: a benchmark whose client shares the server's code shares its mistakes.
"""

import socket
import struct
from dataclasses import dataclass

from bench.chunks import ChunkReader, Message
from bench.clip import AUDIO, SCRIPT, VIDEO, ClipMessage
from bench.stamp import STAMP_AT, STAMP_END, stamp

CHUNK = 4096
"""What OBS sends."""
_HEADER = 12
_STREAMS = {AUDIO: 4, VIDEO: 6, SCRIPT: 4}


def chunked(stream: int, kind: int, payload: bytes, *, message_stream: int = 0, chunk: int = CHUNK) -> bytearray:
    """One message at time 0: a fmt 0 chunk and fmt 3 chunks (RTMP 1.0, section 5.3.1)."""
    head = (
        bytes([stream]) + bytes(3) + len(payload).to_bytes(3, "big") + bytes([kind]) + struct.pack("<I", message_stream)
    )
    pieces = [payload[at : at + chunk] for at in range(0, len(payload), chunk)]
    return bytearray(head + bytes([0xC0 | stream]).join(pieces))


def amf(*values: str | float | dict[str, str] | None) -> bytes:
    """AMF0 values, those that commands are made of."""
    return b"".join(map(_amf, values))


def _amf(value: str | float | dict[str, str] | None) -> bytes:
    match value:
        case None:
            return b"\x05"
        case str():
            return b"\x02" + _text(value)
        case dict():
            return b"\x03" + b"".join(_text(k) + _amf(v) for k, v in value.items()) + b"\x00\x00\x09"
        case _:
            return b"\x00" + struct.pack(">d", value)


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


@dataclass(slots=True)
class Prepared:
    """A message ready to send but for its timestamp and, in a video frame, its stamp."""

    data: bytearray
    dts_ms: int
    stamped: bool

    def ready(self, timestamp_ms: int, index: int, now_ns: int) -> bytearray:
        """The bytes to send now."""
        self.data[1:4] = timestamp_ms.to_bytes(3, "big")
        if self.stamped:
            self.data[_HEADER + STAMP_AT : _HEADER + STAMP_END] = stamp(index, now_ns)
        return self.data


def prepare(message: ClipMessage, message_stream: int) -> Prepared:
    """Cut a clip's message into chunks; the stamp lies within the first of them."""
    data = chunked(_STREAMS[message.type], message.type, message.payload, message_stream=message_stream)
    return Prepared(data, message.dts_ms, message.frame and message.type == VIDEO)


def publish(host: str, port: int, application: str, name: str) -> tuple[socket.socket, int]:
    """A connection on which the server has accepted the publish, and the message stream to send on."""
    connection = socket.create_connection((host, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"\x03" + bytes(1536))
    _read(connection, 1 + 1536 + 1536)
    connection.sendall(bytes(1536) + chunked(2, 1, CHUNK.to_bytes(4, "big")))
    url = f"rtmp://{host}:{port}/{application}"
    details: dict[str, str] = {"app": application, "type": "nonprivate", "flashVer": "FMLE/3.0", "tcUrl": url}
    connection.sendall(chunked(3, 20, amf("connect", 1, details)))
    replies = Replies(connection)
    replies.wait_for(b"\x02\x00\x07_result" + amf(1))
    connection.sendall(chunked(3, 20, amf("releaseStream", 2, None, name)))
    connection.sendall(chunked(3, 20, amf("FCPublish", 3, None, name)))
    connection.sendall(chunked(3, 20, amf("createStream", 4, None)))
    result = b"\x02\x00\x07_result" + amf(4, None)
    created = replies.wait_for(result)
    stream = int(struct.unpack_from(">d", created, len(result) + 1)[0])
    connection.sendall(chunked(8, 20, amf("publish", 5, None, name, "live"), message_stream=stream))
    replies.wait_for(b"NetStream.Publish.Start")
    return connection, stream


class Replies:
    """What the server says before the media flows."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._chunks = ChunkReader()
        self._unread: list[Message] = []

    def wait_for(self, what: bytes) -> bytes:
        """The body of the command that has `what` in it; ConnectionError when the server refuses or hangs up."""
        while True:
            while self._unread:
                body = self._unread.pop(0).payload
                if what in body:
                    return body
                if b"_error" in body or b"\x02\x00\x05error" in body:
                    raise ConnectionError(f"the server refused: {body!r}")
            data = self._connection.recv(4096)
            if not data:
                raise ConnectionError(f"the server hung up while {what!r} was awaited")
            self._unread += self._chunks.feed(data)


def _read(connection: socket.socket, count: int) -> None:
    left = count
    while left:
        piece = connection.recv(left)
        if not piece:
            raise ConnectionError("the server hung up in the handshake")
        left -= len(piece)
