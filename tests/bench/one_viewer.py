"""A server for one viewer that says its lines by rote and then sends what a test wants: the load client's own test."""

import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from bench.clip import AUDIO, VIDEO, ClipMessage, dump
from bench.stamp import make_room
from bench.wire import amf, chunked

_COMMANDS = (
    (b"connect", chunked(3, 20, amf("_result", 1, None))),
    (b"createStream", chunked(3, 20, amf("_result", 2, None, 1))),
)


def small_clip() -> list[ClipMessage]:
    """Two GOPs of three pictures, and three sounds; long enough to need several chunks of 128 bytes."""
    video = [ClipMessage(VIDEO, True, at * 40, make_room(_picture(at))) for at in range(6)]
    audio = [ClipMessage(AUDIO, True, at * 80 + 10, b"\xaf\x01" + bytes([at]) * (70 + at)) for at in range(3)]
    configuration = [ClipMessage(VIDEO, False, 0, b"\x17\x00config"), ClipMessage(AUDIO, False, 0, b"\xaf\x00\x12\x10")]
    return configuration + sorted(video + audio, key=lambda message: message.dts_ms)


def _picture(at: int) -> bytes:
    return bytes([0x17 if at % 3 == 0 else 0x27, 1, 0, 0, 0]) + bytes(range(at, 200 + at))


@dataclass(slots=True)
class OneViewer:
    """Listens for one viewer; `refusal` is said in place of media, `hang_up` ends the connection after it."""

    media: Sequence[bytes | bytearray]
    refusal: bytes | None = None
    hang_up: bool = False
    acknowledged: list[bytes] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def result_of(self, client: Sequence[str | Path], folder: Path) -> dict[str, Any]:
        """What the load client says at its end, told to stay for 0.3 s."""
        clip = folder / "small.clip"
        clip.write_bytes(dump(small_clip()))
        thread = Thread(target=self._serve)
        thread.start()
        port = self._listener.getsockname()[1]
        command = [*map(str, client), str(clip), "127.0.0.1", str(port), "live", "bench", "1", "0", "0", "0.3"]
        output = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        thread.join(10)
        lines = [json.loads(line) for line in output.splitlines()]
        assert [line["event"] for line in lines] == ["steady", "end", "result"]
        result: dict[str, Any] = lines[-1]
        return result

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as viewer:
            viewer.settimeout(20)
            seen = b""
            while len(seen) < 1537:
                seen += viewer.recv(4096)
            viewer.sendall(b"\x03" + bytes(3072))
            for command, answer in _COMMANDS:
                seen = self._until(viewer, seen, command)
                viewer.sendall(answer)
            self._until(viewer, seen, b"\x02\x00\x04play")
            for data in [self.refusal] if self.refusal else self.media:
                viewer.sendall(data)
            while not self.hang_up and (data := _received(viewer)):
                self.acknowledged.append(data)

    @staticmethod
    def _until(viewer: socket.socket, seen: bytes, what: bytes) -> bytes:
        while what not in seen:
            data = viewer.recv(4096)
            assert data, f"the viewer left before {what!r}"
            seen += data
        return seen[seen.index(what) + len(what) :]


def _received(viewer: socket.socket) -> bytes:
    try:
        return viewer.recv(4096)
    except ConnectionError:
        return b""
