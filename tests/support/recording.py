"""How recordings of real clients are made: a client talks to an engine of ours, and what it sent is kept."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Peer(Protocol):
    """The server's end of one connection."""

    def receive(self, data: bytes) -> bytes:
        """What to answer to these bytes of the client."""
        ...

    @property
    def over(self) -> bool:
        """Whether the server hangs up."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """A client and its arguments, ``{url}`` standing for the address of the server and of the stream at `path`."""

    name: str
    command: list[str]
    path: str = "live/cam?token=abc"


async def record(recording: Recording, scheme: str, make: Callable[[], Peer]) -> bytes:
    """Run the client against a server engine of ours and return what it sent; raises when the client fails."""
    received = bytearray()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = make()
        while data := await _read(reader):
            received.extend(data)
            writer.write(peer.receive(data))
            if peer.over:
                break
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"{scheme}://127.0.0.1:{port}/{recording.path}"
    command = [part.replace("{url}", url) for part in recording.command]
    client = await asyncio.create_subprocess_exec(*command)
    try:
        status = await asyncio.wait_for(client.wait(), 30)
        await asyncio.wait_for(done.wait(), 5)
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
        server.close()
    if status != 0:
        raise subprocess.CalledProcessError(status, command)
    return bytes(received)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionResetError:  # a player that leaves with bytes unread
        return b""


def record_all(
    recordings: Sequence[Recording],
    wanted: Sequence[str],
    into: Path,
    scheme: str,
    make: Callable[[], Peer],
    tell: Callable[[bytes], list[str]],
) -> None:
    """Record those wanted, or all: the bytes as ``.bin``, and what `tell` says of them, line by line, as ``.events``.

    Clients that are not installed are named and left alone.
    """
    for recording in recordings:
        if wanted and recording.name not in wanted:
            continue
        if shutil.which(recording.command[0]) is None:
            sys.stderr.write(f"{recording.name}: {recording.command[0]} is not installed\n")
            continue
        try:
            data = asyncio.run(record(recording, scheme, make))
        except (TimeoutError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"{recording.name}: {error!r}\n")
            continue
        lines = tell(data)
        (into / f"{recording.name}.bin").write_bytes(data)
        (into / f"{recording.name}.events").write_text("".join(f"{line}\n" for line in lines))
        sys.stderr.write(f"{recording.name}: {len(data)} bytes, {len(lines)} events\n")
