"""The reader of all viewers that are not sampled: `native/whep_reader.c`, given their sockets one by one."""

import json
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

from bench.whep.peer import Peer
from bench.whep.sdp import H264


class NativeReader:
    """The process that reads; its answer comes after `finish`."""

    def __init__(self, program: Path, viewers: int) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [str(program), str(theirs.fileno()), str(viewers)]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()])

    def take(self, peer: Peer, number: int) -> None:
        """Read this viewer's media from now on."""
        command = struct.pack("=cBBxI", b"V", H264[0], H264[-1], number)
        socket.send_fds(self._control, [command], [peer.socket.fileno()])

    def begin(self) -> None:
        """The steady window begins."""
        self._control.send(b"M")

    def end(self) -> None:
        """It ends."""
        self._control.send(b"E")

    def finish(self) -> dict[str, Any]:
        """Its result; the process ends."""
        self._control.send(b"Q")
        output, _ = self._process.communicate(timeout=10)
        result: dict[str, Any] = json.loads(output)
        return result

    def close(self) -> None:
        """End it, whatever it does."""
        self._control.close()
        with self._process:
            self._process.kill()
