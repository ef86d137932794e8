"""libsrt by ctypes, as much as a publisher and a crowd of viewers need (haivision/srt, ``srt.h`` of 1.5)."""

import ctypes
import ctypes.util
import socket
import struct
from collections.abc import Sequence

_NAMES = ("srt", "srt-gnutls", "srt-openssl")
_SNDSYN, _RCVSYN, _FC, _RCVBUF, _UDP_RCVBUF, _CONNTIMEO, _LATENCY, _PASSPHRASE, _STREAMID = 1, 2, 4, 6, 9, 36, 23, 26, 46
_EPOLL_IN = 1
_ROOM = 1456


class Missing(RuntimeError):
    """There is no libsrt on this machine."""


def library() -> ctypes.CDLL:
    """The library, started; raises Missing."""
    for name in _NAMES:
        found = ctypes.util.find_library(name)
        if found is not None:
            loaded = ctypes.CDLL(found, use_errno=False)
            loaded.srt_startup()
            return loaded
    raise Missing("libsrt is not installed")


class Srt:
    """Sockets of the library: calls by number."""

    def __init__(self) -> None:
        self._library = library()
        self._buffer = ctypes.create_string_buffer(_ROOM)

    def connect(self, port: int, stream_id: str, *, latency_ms: int = 120, passphrase: str = "") -> int:
        """Call 127.0.0.1; the socket's number. RuntimeError when it is refused."""
        made = int(self._library.srt_create_socket())
        self._set(made, _LATENCY, struct.pack("=i", latency_ms))
        self._set(made, _UDP_RCVBUF, struct.pack("=i", 8 << 20))
        if stream_id:
            self._set(made, _STREAMID, stream_id.encode())
        if passphrase:
            self._set(made, _PASSPHRASE, passphrase.encode())
        address = struct.pack("=H", socket.AF_INET) + port.to_bytes(2) + socket.inet_aton("127.0.0.1") + bytes(8)
        if self._library.srt_connect(made, address, len(address)) < 0:
            raise RuntimeError(f"refused with {int(self._library.srt_getrejectreason(made))}")
        self._set(made, _RCVSYN, struct.pack("=i", 0))
        return made

    def send(self, number: int, data: bytes) -> None:
        """One message."""
        if self._library.srt_send(number, data, len(data)) < 0:
            raise RuntimeError("the connection was lost")

    def receive(self, number: int) -> bytes:
        """One message; empty when there is none. RuntimeError when the connection is over."""
        size = int(self._library.srt_recvmsg(number, self._buffer, _ROOM))
        if size >= 0:
            return self._buffer.raw[:size]
        if int(self._library.srt_getlasterror(None)) == 6002:  # SRT_EASYNCRCV
            return b""
        raise RuntimeError("the connection was lost")

    def poll(self, numbers: Sequence[int]) -> "Poll":
        """Waits for any of these sockets."""
        return Poll(self._library, numbers)

    def close(self, number: int) -> None:
        """Close a socket."""
        self._library.srt_close(number)

    def _set(self, number: int, option: int, value: bytes) -> None:
        if self._library.srt_setsockflag(number, option, value, len(value)) < 0:
            raise RuntimeError(f"option {option} was not taken")


class Poll:
    """An epoll of the library."""

    def __init__(self, loaded: ctypes.CDLL, numbers: Sequence[int]) -> None:
        self._library = loaded
        self._epoll = int(loaded.srt_epoll_create())
        events = ctypes.c_int(_EPOLL_IN)
        for number in numbers:
            loaded.srt_epoll_add_usock(self._epoll, number, ctypes.byref(events))
        self._ready = (ctypes.c_int * len(numbers))()
        self._room = len(numbers)

    def wait(self, milliseconds: int) -> list[int]:
        """The sockets with something to receive."""
        count = ctypes.c_int(self._room)
        found = self._library.srt_epoll_wait(
            self._epoll,
            self._ready,
            ctypes.byref(count),
            None,
            None,
            ctypes.c_int64(milliseconds),
            None,
            None,
            None,
            None,
        )
        return list(self._ready[: count.value]) if found > 0 else []
