"""The load client in Python, for machines without a C compiler: same arguments, same lines as `native/rtsp_viewers.c`.

It costs far more than the C one and shares the machine with the server, so it is good for some dozens of players.
"""

import re
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.checker import Checker, Reference
from bench.chunks import Message
from bench.clip import AUDIO, VIDEO, load
from bench.crowd import Tally, run
from bench.rtsp.media import PacketChecker

_BUFFER = 1 << 22
_PATIENCE = 5.0


class Player:
    """One player: it has asked for everything when it is made; then its packets are checked."""

    def __init__(
        self, address: tuple[str, int], path: str, reference: Reference, tally: Tally, *, over_udp: bool
    ) -> None:
        self.checker = Checker(reference)
        self.first_keyframe_ns: int | None = None
        self.failed = False
        self._reference = reference
        self._tally = tally
        self._udp: tuple[socket.socket, ...] = _pair() if over_udp else ()
        self._connection = socket.create_connection(address, timeout=_PATIENCE)
        self._uri = f"rtsp://{address[0]}:{address[1]}/{path}"
        self._data = bytearray()
        self._session = ""
        self._asked = self._play_at = 0
        self.sockets: Sequence[socket.socket] = (self._connection, *self._udp)
        try:
            self._join()
        except OSError as error:
            self._give_up("refused", str(error))
        else:
            for each in self.sockets:
                each.setblocking(False)

    def on_readable(self, ready: socket.socket) -> None:
        """Take what came."""
        now = time.monotonic_ns()
        if ready in self._udp:
            with suppress(BlockingIOError):
                while True:
                    self._packet(ready.recv(1 << 16), is_rtp=ready is self._udp[0])
            return
        try:
            data = ready.recv(1 << 18)
        except OSError as error:
            self._give_up("closed", str(error))
            return
        if not data:
            self._give_up("closed", "closed by the server")
            return
        self._now = now
        self._data += data
        self._frames()

    def _join(self) -> None:
        description = self._ask("DESCRIBE", "", "Accept: application/sdp")
        media = re.findall(r"m=(audio|video) \d+ RTP/AVP (\d+)(.*?)(?=\r\nm=|\Z)", description, re.DOTALL)
        for index, (_, _, rest) in enumerate(media):
            control = re.search(r"a=control:(\S+)", rest)
            way = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}"
            if self._udp:
                way = "RTP/AVP;unicast;client_port={}-{}".format(*(each.getsockname()[1] for each in self._udp))
            self._ask("SETUP", f"/{control[1] if control else index}", f"Transport: {way}")
        types = {int(number): VIDEO if kind == "video" else AUDIO for kind, number, _ in media}
        self._packets = PacketChecker(self.checker, types, self._reference.configuration[VIDEO], self._accept)
        self._play_at = self._now = time.monotonic_ns()
        self._ask("PLAY", "", "Range: npt=now-")
        self._frames()

    def _ask(self, method: str, target: str, field: str) -> str:
        """Ask, and wait for the answer; its body. ConnectionError when it is a refusal."""
        self._asked += 1
        lines = [f"{method} {self._uri}{target} RTSP/1.0", f"CSeq: {self._asked}", field]
        lines += [f"Session: {self._session}"] if self._session else []
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode())
        while True:
            head, found, _ = bytes(self._data).partition(b"\r\n\r\n")
            text = head.decode("latin-1")
            length = re.search(r"(?i)content-length: *(\d+)", text)
            whole = len(head) + 4 + (int(length[1]) if length else 0)
            if found and len(self._data) >= whole:
                break
            data = self._connection.recv(1 << 16)
            if not data:
                raise ConnectionError(f"no answer to {method}")
            self._data += data
        body = bytes(self._data[len(head) + 4 : whole]).decode()
        del self._data[:whole]
        if not text.startswith("RTSP/1.0 200"):
            raise ConnectionError(f"refused: {text[:60]}")
        session = re.search(r"(?i)session: *([^;\s]+)", text)
        self._session = session[1] if session else self._session
        return body

    def _frames(self) -> None:
        """What is whole of the frames within the connection; nothing else is said there any more."""
        data, at = bytes(self._data), 0
        while at + 4 <= len(data):
            end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            if data[at : at + 1] != b"$":
                self._give_up("protocol", f"neither a packet nor an answer: {data[at : at + 20]!r}")
                return
            if end > len(data):
                break
            self._packet(data[at + 4 : end], is_rtp=not data[at + 1] & 1)
            at = end
        del self._data[:at]

    def _packet(self, packet: bytes, *, is_rtp: bool) -> None:
        if self._udp:
            self._now = time.monotonic_ns()
        if is_rtp:
            self._tally.bytes += len(packet) * self._tally.measuring
            self._packets.take(packet)

    def _accept(self, message: Message) -> None:
        sent_ns = self.checker.accept(message)
        if sent_ns is not None and self.first_keyframe_ns is None and message.payload[0] >> 4 == 1:
            self.first_keyframe_ns = self._now - self._play_at
        if self._tally.measuring and message.payload[1:2] == b"\x01":
            self._tally.payload += len(message.payload)
            if sent_ns is not None:
                self._tally.late.add(self._now - sent_ns)

    def _give_up(self, kind: str, text: str) -> None:
        if not self.failed:
            self.failed = True
            self.checker.fault(kind, text)
            for each in self.sockets:
                each.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    """An even port and its neighbour."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        with suppress(OSError):
            if not port & 1:
                second.bind(("127.0.0.1", port + 1))
                return first, second
        first.close()
        second.close()


def main(arguments: list[str]) -> None:
    """`CLIP HOST PORT PATH N JOIN_S SETTLE_S STEADY_S tcp|udp`."""
    clip, host, port, path = arguments[:4]
    reference, over_udp = Reference(load(Path(clip))), arguments[8] == "udp"
    run(arguments[4:8], lambda tally: Player((host, int(port)), path, reference, tally, over_udp=over_udp))


if __name__ == "__main__":
    main(sys.argv[1:])
