"""The load client in Python, for machines without a C compiler: same arguments, same lines as `native/viewers.c`.

It costs far more than the C one and shares the machine with the server, so it is good for some dozens of viewers.
"""

import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.checker import Checker, Reference
from bench.chunks import ChunkReader, Message
from bench.clip import AUDIO, VIDEO, load
from bench.crowd import Tally, run
from bench.wire import amf, chunked

_HANDSHAKE = 1 + 1536 + 1536
_RESULT = b"\x02\x00\x07_result"
_CLIENT_CHUNK = 128


class Viewer:
    """One viewer: handshake, connect, createStream, play, then media to check."""

    def __init__(self, address: tuple[str, int], names: tuple[str, str], reference: Reference, tally: Tally) -> None:
        self.checker = Checker(reference)
        self.first_keyframe_ns: int | None = None
        self.failed = False
        self.socket = socket.create_connection(address, timeout=5)
        self.socket.setblocking(False)
        self.sockets: Sequence[socket.socket] = (self.socket,)
        self._address, (self._application, self._name) = address, names
        self._tally = tally
        self._handshake = _HANDSHAKE
        self._chunks = ChunkReader()
        self._play_at = 0
        self._window = self._received = self._acknowledged = 0
        self._send(b"\x03" + bytes(1536))

    def on_readable(self, _: socket.socket) -> None:
        """Take what the server sent."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            self._give_up("closed", str(error))
            return
        if not data:
            self._give_up("closed", "closed by the server")
            return
        now = time.monotonic_ns()
        self._received += len(data)
        self._tally.bytes += len(data) * self._tally.measuring
        if self._handshake:
            data = self._shake_hands(data)
        try:
            for message in self._chunks.feed(data):
                self._accept(message, now)
        except ValueError as error:
            self._give_up("protocol", str(error))
        self._acknowledge()

    def _shake_hands(self, data: bytes) -> bytes:
        used = min(self._handshake, len(data))
        self._handshake -= used
        if not self._handshake:
            url = f"rtmp://{self._address[0]}:{self._address[1]}/{self._application}"
            self._send(bytes(1536))
            self._command(amf("connect", 1, {"app": self._application, "flashVer": "LNX 9,0,124,2", "tcUrl": url}), 0)
        return data[used:]

    def _accept(self, message: Message, now: int) -> None:
        if message.type in {AUDIO, VIDEO}:
            sent_ns = self.checker.accept(message)
            if sent_ns is not None and self.first_keyframe_ns is None and message.payload[0] >> 4 == 1:
                self.first_keyframe_ns = now - self._play_at
            if self._tally.measuring:
                self._tally.payload += len(message.payload)
                if sent_ns is not None:
                    self._tally.late.add(now - sent_ns)
        elif message.type == 20:
            self._on_command(message.payload)
        elif message.type == 5:
            self._window = int.from_bytes(message.payload[:4], "big")
        elif message.type == 4 and message.payload[:2] == b"\x00\x06":
            self._send(chunked(2, 4, b"\x00\x07" + message.payload[2:6], chunk=_CLIENT_CHUNK))
        elif message.type not in {1, 3, 4, 6, 18}:
            self.checker.fault("unexpected", f"message type {message.type}")

    def _on_command(self, body: bytes) -> None:
        if body.startswith(_RESULT + amf(1)):
            self._command(amf("createStream", 2, None), 0)
        elif body.startswith(_RESULT + amf(2, None) + b"\x00"):
            stream = int(struct.unpack_from(">d", body, len(_RESULT + amf(2, None)) + 1)[0])
            self._play_at = time.monotonic_ns()
            self._command(amf("play", 3, None, self._name, -2000), stream)
        elif b"_error" in body or b"\x02\x00\x05error" in body:
            self._give_up("refused", repr(body))

    def _command(self, body: bytes, stream: int) -> None:
        self._send(chunked(3, 20, body, message_stream=stream, chunk=_CLIENT_CHUNK))

    def _acknowledge(self) -> None:
        if self._window and self._received - self._acknowledged >= self._window and not self.failed:
            self._acknowledged = self._received
            self._send(chunked(2, 3, (self._received & 0xFFFFFFFF).to_bytes(4, "big")))

    def _send(self, data: bytes | bytearray) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            self._give_up("closed", f"cannot send: {error}")

    def _give_up(self, kind: str, text: str) -> None:
        if not self.failed:
            self.failed = True
            self.checker.fault(kind, text)
            self.socket.close()


def main(arguments: list[str]) -> None:
    """`CLIP HOST PORT APP NAME N JOIN_S SETTLE_S STEADY_S`."""
    clip, host, port, application, name = arguments[:5]
    reference = Reference(load(Path(clip)))
    run(arguments[5:9], lambda tally: Viewer((host, int(port)), (application, name), reference, tally))


if __name__ == "__main__":
    main(sys.argv[1:])
