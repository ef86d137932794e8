"""A server for one RTSP player that says its lines by rote and then sends what a test wants, over TCP or UDP."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from bench.clip import AUDIO, VIDEO, ClipMessage, dump
from bench.rtsp.packets import CHANNELS, description, interleaved, packed
from bench.stamp import NAME, make_room, stamp

Sent = tuple[int, bytes]
"""The type of a packet's message, and the packet."""
_AVCC = bytes.fromhex("0142c01effe1000c6742c01eda028bfe5e10000301000468ce3c80")
_IDR, _SLICE = 0x65, 0x41


def small_clip() -> list[ClipMessage]:
    """Two GOPs of three pictures of two slices, which need several packets, and three sounds."""
    video = [ClipMessage(VIDEO, True, at * 40, make_room(_picture(at))) for at in range(6)]
    audio = [ClipMessage(AUDIO, True, at * 80 + 10, b"\xaf\x01" + bytes([at]) * (70 + at)) for at in range(3)]
    told = [
        ClipMessage(VIDEO, False, 0, b"\x17\x00\x00\x00\x00" + _AVCC),
        ClipMessage(AUDIO, False, 0, b"\xaf\x00\x12\x10"),
    ]
    return told + sorted(video + audio, key=lambda message: message.dts_ms)


def _picture(at: int) -> bytes:
    kind = _SLICE if at % 3 else _IDR
    units = [bytes([kind, 0x88]) + bytes(range(at, 200 + at)) * 15, bytes([kind, 0x08]) + bytes(range(100))]
    return bytes([0x27 if at % 3 else 0x17, 1, 0, 0, 0]) + b"".join(len(u).to_bytes(4, "big") + u for u in units)


def packets(clip: Sequence[ClipMessage], first_index: int = 0) -> list[list[Sent]]:
    """The packets of each frame, pictures stamped from `first_index` on."""
    sent, index = [], first_index
    for frame in packed(list(clip)):
        marked = NAME + stamp(index, time.monotonic_ns())
        index += frame.message.type == VIDEO
        empty = NAME + bytes(b"0" * (len(marked) - len(NAME)))
        sent.append([(frame.message.type, packet.replace(empty, marked)) for packet in frame.packets])
    return sent


@dataclass(slots=True)
class RtspSource:
    """Listens for one player; `refuse` a DESCRIBE, or `hang_up` after the media."""

    media: Sequence[Sent]
    over_udp: bool = False
    refuse: bool = False
    hang_up: bool = False
    step: int = 0
    requests: list[str] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _udp: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def result_of(self, client: Sequence[str | Path], folder: Path) -> dict[str, Any]:
        """What the load client says at its end, told to stay for 0.3 s."""
        clip = folder / "small.clip"
        clip.write_bytes(dump(small_clip()))
        thread = Thread(target=self._serve)
        thread.start()
        numbers = ["live/bench", "1", "0", "0", "0.3", "udp" if self.over_udp else "tcp"]
        command = [*map(str, client), str(clip), "127.0.0.1", str(self._listener.getsockname()[1]), *numbers]
        output = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        thread.join(10)
        lines = [json.loads(line) for line in output.splitlines()]
        assert [line["event"] for line in lines] == ["steady", "end", "result"]
        result: dict[str, Any] = lines[-1]
        return result

    def _serve(self) -> None:
        with self._listener, self._udp, self._listener.accept()[0] as player:
            player.settimeout(50)
            to = self._converse(player)
            if self.over_udp:
                for _, packet in self.media:
                    self._udp.sendto(packet, to)
            else:
                everything = b"".join(interleaved(*each) for each in self.media)
                step = self.step or max(len(everything), 1)
                for at in range(0, len(everything), step):
                    player.sendall(everything[at : at + step])
            while not (self.hang_up or self.refuse) and player.recv(4096):
                pass

    def _converse(self, player: socket.socket) -> tuple[str, int]:
        """Answer up to PLAY, and before that with one report: whoever takes it for media will say so."""
        port = 0
        while not self.requests or not self.requests[-1].startswith("PLAY"):
            request = ""
            while "\r\n\r\n" not in request:
                request += player.recv(4096).decode()
            self.requests.append(request)
            if self.refuse:
                player.sendall(b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n")
                return "", 0
            way = re.search(r"Transport: (.*)\r", request)
            ports = re.search(r"client_port=(\d+)", request)
            port = int(ports[1]) if ports else port
            body = description(small_clip()) if request.startswith("DESCRIBE") else b""
            head = f"RTSP/1.0 200 OK\r\nCSeq: {len(self.requests)}\r\nSession: 17;timeout=60\r\n"
            head += f"Transport: {way[1]};server_port=9-9\r\n" if way else ""
            player.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        player.sendall(b"$" + bytes([CHANNELS[VIDEO] + 1, 0, 4]) + b"\x80\xc8\0\0")
        return "127.0.0.1", port
