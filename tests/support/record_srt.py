"""Records what real SRT clients send to our listener: `python -m tests.support.record_srt` makes tests/data/srt anew.

A recording is datagrams with the microseconds since the first: 4 bytes, 2 bytes of length, and the bytes. The listener's
secret is known, and so are the cookie and the socket id that it gives: a recording can be played to another one.
"""

import asyncio
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arcly_actors.clock import NS_PER_MS
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.events import Accept, Asked, Send, Train
from arcly_actors.protocols.srt.listener import SrtListener
from arcly_actors.transport.srt_ciphers import SrtCiphers
from tests.support.srt_network import CALLER, START, datagrams
from tests.support.streams import encode
from tests.support.tools import run

DATA = Path(__file__).parents[1] / "data/srt"
PASSPHRASE = "recorded-secret"
_RECORD = struct.Struct(">IH")
_CLIENTS = {
    "ffmpeg-5.1-publish": "ffmpeg -v error -re -i {clip} -t 1 -c copy -f mpegts {url}?streamid=publish:live/cam",
    "ffmpeg-5.1-publish-aes256": "ffmpeg -v error -re -i {clip} -t 1 -c copy -f mpegts "
    "{url}?streamid=#!::r=live/cam,m=publish&passphrase=recorded-secret&pbkeylen=32&kmrefreshrate=20&kmpreannounce=5",
    "ffmpeg-5.1-read": "ffmpeg -v error -i {url}?streamid=read:live/cam -f mpegts -c copy -y /dev/null",
    "srt-live-transmit-1.5.1-read": "srt-live-transmit -q -to:2 {url}?streamid=#!::r=live/cam&latency=200 file://con",
}


def make_listener() -> SrtListener:
    """The listener of all recordings."""
    return SrtListener(
        lambda stream_id: Terms(passphrase=PASSPHRASE if "#!" in stream_id and "publish" in stream_id else ""),
        SrtCiphers(),
        b"recorded" * 4,
    )


def load(name: str) -> Iterator[tuple[int, bytes]]:
    """A recording's datagrams, each with its time (ns, on the clock that begins at `START`)."""
    data = (DATA / f"{name}.bin").read_bytes()
    at = 0
    while at < len(data):
        microseconds, size = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield START + microseconds * 1000, data[at : at + size]
        at += size


class Playing:
    """A listener that is given datagrams and time; it lets everyone in, and sends `media` to those who read, four packets
    every 10 ms.
    """

    def __init__(self, send: Callable[[bytes], None] = lambda _: None, media: tuple[bytes, ...] = ()) -> None:
        self.listener = make_listener()
        self.events: list[Any] = []
        self.engine: SrtEngine | None = None
        self._send = send
        self._media = media
        self._ticked = START

    def receive(self, data: bytes, now: int) -> None:
        """A datagram came."""
        self.pass_until(now)
        taken = self.listener.receive(data, CALLER, now)
        if isinstance(taken, bytes):
            self._send(taken)
        elif taken is not None:
            self.engine = taken
            self._drain(now)

    def pass_until(self, now: int) -> None:
        """Time went by: always in the same steps, so that a replay sends just what was sent."""
        while self._ticked + 10 * NS_PER_MS <= now:
            self._ticked += 10 * NS_PER_MS
            if self.engine is not None:
                payloads, self._media = self._media[:4], self._media[4:]
                if payloads:
                    self.engine.command(Send(payloads), self._ticked)
                self.engine.wake(self._ticked)
                self._drain(self._ticked)

    def _drain(self, now: int) -> None:
        engine = self.engine
        assert engine is not None
        while (output := engine.poll()) is not None:
            if isinstance(output, Transmit | Train):
                for each in datagrams(output):
                    self._send(each)
            elif isinstance(output, Emit):
                self.events.append(output.event)
                if isinstance(output.event, Asked):
                    engine.command(Accept(), now)
            elif isinstance(output, Hangup):
                self.events.append(output)


def summary(playing: Playing) -> str:
    """What came of it, a fact a line."""
    assert playing.engine is not None
    counted = playing.engine.statistics(START).values()
    names = ("pktRecvUnique", "byteRecv", "pktRecvACK", "pktRecvKM", "pktRcvDrop", "pktRcvUndecrypt", "pktMalformed")
    told = [f"{type(event).__name__}" for event in playing.events if not isinstance(event, Hangup)]
    order = list(dict.fromkeys(told))
    return "\n".join([*order, *(f"{name} {counted[name]}" for name in names)]) + "\n"


async def _record(name: str, command: str, clip: Path, media: tuple[bytes, ...]) -> None:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0.01)
    url = f"srt://127.0.0.1:{made.getsockname()[1]}"
    words = command.format(clip=clip, url=url).split(" ")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
    source: Any = None
    parts: list[bytes] = []
    began = 0

    def send(data: bytes) -> None:
        made.sendto(data, source)

    playing = Playing(send, media[:600] if "read" in name else ())
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline and process.returncode is None:
        await asyncio.sleep(0)
        try:
            data, source = made.recvfrom(2048)
        except TimeoutError:
            data = b""
        began = began or time.monotonic_ns()
        now = START + time.monotonic_ns() - began
        if data:
            parts.append(_RECORD.pack((now - START) // 1000, len(data)) + data)
            playing.receive(data, START + (now - START) // 1000 * 1000)
        playing.pass_until(now)
    if process.returncode is None:
        process.kill()
        await process.wait()
    made.close()
    (DATA / f"{name}.bin").write_bytes(b"".join(parts))
    again = replay(name)
    (DATA / f"{name}.events").write_text(summary(again))


def replay(name: str) -> Playing:
    """Play a recording to a listener."""
    playing = Playing(media=(bytes(1316),) * 600 if "read" in name else ())
    for now, data in load(name):
        playing.receive(data, now)
    return playing


async def main() -> None:
    """Record every client."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        clip.write_bytes(encode(CodecId.H264, CodecId.AAC, gop=10))
        await run("ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "mpegts", f"{clip}.ts", "-y")
        whole = (clip.parent / f"{clip.name}.ts").read_bytes()
        media = tuple(whole[at : at + 1316] for at in range(0, len(whole), 1316)) * 20
        for name, command in _CLIENTS.items():
            await _record(name, command, clip, media)


if __name__ == "__main__":
    asyncio.run(main())
