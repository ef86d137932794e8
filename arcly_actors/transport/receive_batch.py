"""What waits in a UDP socket, in one system call (recvmmsg, Linux), or with one call for each datagram elsewhere.

A call for each datagram costs more than itself: on its way through the kernel the processor forgets what it has learnt of
the code that comes next, and what follows takes twice the time. 14 packets of a publisher's 10 ms were 320 µs.

What was read lies in memory that all sockets share: it is gone when their reader returns.
"""

import errno
import mmap
import socket
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from arcly_actors import limits
from arcly_actors.transport.sendmmsg import ffi as _ffi

Source = tuple[Any, ...]
Deliver = Callable[[memoryview, Source, bytes], None]
Arrived = tuple[memoryview, Source, bytes]
"""A datagram, where it came from, and to which of our addresses (a control message; empty where that is known)."""

TakeAll = Callable[[Sequence[Arrived]], None]

_LINUX: Final = sys.platform.startswith("linux") and sys.byteorder == "little"
IP_PKTINFO: Final = 8
IPV6_PKTINFO: Final = int(getattr(socket, "IPV6_PKTINFO", -1))
UDP_GRO: Final = 104
"""The control message with the size of the datagrams that one was put together of (linux/udp.h)."""

_PKTINFO: Final = {(socket.IPPROTO_IP, IP_PKTINFO), (socket.IPPROTO_IPV6, IPV6_PKTINFO)}
_TRUNCATED: Final = int(socket.MSG_TRUNC)
"""As a plain int: an enum's operators are twenty times as slow, and this is asked of every datagram."""

_LARGEST: Final = 65_536
_ROOM: Final = 128
"""Bytes of control messages: where it was sent to (IPv6's has 40), and how it was put together (24)."""

_USUAL: Final = 1536
"""A datagram of the size that networks carry lies in one of as many small places side by side, so that ten of them are a
few pages and not one each; what is longer goes on in a place of its own.
"""

_NAME: Final = 32
_HEADER: Final = 64
_RESULT: Final = struct.Struct("@8xI28xQi4xI4x")
"""Of a ``struct mmsghdr``: the sizes of name and control messages, flags, the datagram's size."""

_CONTROL: Final = struct.Struct("@Qii")
_DONTWAIT: Final = int(getattr(socket, "MSG_DONTWAIT", 0))


class ReceiveBatch:
    """Memory for what one `recvmmsg` brings. What is never filled takes none."""

    def __init__(self) -> None:
        count = limits.UDP_READS
        memory = mmap.mmap(-1, count * (_USUAL + _LARGEST))
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        whole = memoryview(memory)
        self._heads = [whole[start : start + _USUAL] for start in range(0, count * _USUAL, _USUAL)]
        self._rests = [whole[start : start + _LARGEST] for start in range(count * _USUAL, len(whole), _LARGEST)]
        self._names = bytearray(count * _NAME)
        self._controls = bytearray(count * _ROOM)
        data, names, controls = (_address(each) for each in (whole, self._names, self._controls))
        self._pieces = array("Q")
        for index in range(count):
            head, rest = data + index * _USUAL, data + count * _USUAL + index * _LARGEST
            self._pieces += array("Q", (head, _USUAL, rest, _LARGEST))
        pieces = _address(self._pieces)
        fresh = array("Q")
        for index in range(count):
            name, piece, control = names + index * _NAME, pieces + 32 * index, controls + index * _ROOM
            fresh += array("Q", (name, _NAME, piece, 2, control, _ROOM, 0, 0))
        self._fresh = fresh.tobytes()
        self._headers = bytearray(self._fresh)
        self._messages = _ffi.from_buffer("struct mmsghdr[]", self._headers)
        self._receive = _ffi.dlopen(None).recvmmsg

    def read(self, opened: socket.socket, most: int, take: TakeAll, dropped: Counter[str]) -> int:
        """See `read`."""
        done = 0
        while done < most and (descriptor := opened.fileno()) >= 0:  # a reader may close it
            asked = min(most - done, limits.UDP_READS)
            count = self._receive(descriptor, self._messages, asked, _DONTWAIT, _ffi.NULL)
            if count < 0:
                if _ffi.errno in (errno.EAGAIN, errno.EINTR):
                    break
                dropped["receive-error"] += 1  # an ICMP error that belongs to an earlier send
                done += 1
                continue
            done += count
            take(self._arrived(count, dropped))
            if count < asked:
                break
        return done

    def _arrived(self, count: int, dropped: Counter[str]) -> list[Arrived]:
        results = bytes(self._headers[: count * _HEADER])
        self._headers[: count * _HEADER] = self._fresh[: count * _HEADER]
        names, last, source = self._names, bytearray(), ()
        found: list[Arrived] = []
        for at, (named, controls, flags, size) in enumerate(_RESULT.iter_unpack(results)):
            name = names[at * _NAME : at * _NAME + _NAME]
            if name != last:
                last, source = name, _source(bytes(name[:named]))
            data = self._heads[at][:size] if size <= _USUAL else self._whole(at, size)
            if flags & _TRUNCATED:
                dropped["receive-truncated"] += 1
            elif controls:
                start = at * _ROOM
                local, segment = _read_controls(_controls(self._controls[start : start + controls]), size)
                found += _cut(data, segment, source, local)
            else:
                found.append((data, source, b""))
        return found

    def _whole(self, at: int, size: int) -> memoryview:
        """A long one in one piece."""
        whole = bytearray(self._heads[at])
        whole += self._rests[at][: size - _USUAL]
        return memoryview(whole)


class OneByOne:
    """The same where there is no such call."""

    def __init__(self) -> None:
        self._memory = memoryview(mmap.mmap(-1, _LARGEST))

    def read(self, opened: socket.socket, most: int, take: TakeAll, dropped: Counter[str]) -> int:
        """See `read`."""
        buffers = (self._memory,)
        for count in range(most):
            try:
                size, ancillary, flags, source = opened.recvmsg_into(buffers, _ROOM)
            except (BlockingIOError, InterruptedError):
                return count
            except OSError:
                dropped["receive-error"] += 1
                continue
            if flags & _TRUNCATED:
                dropped["receive-truncated"] += 1
                continue
            local, segment = _read_controls(ancillary, size)
            take(_cut(self._memory[:size], segment, source, local))
        return most


_idle: list[ReceiveBatch | OneByOne] = []
"""Those that nobody reads by: one for each thread that has an engine, and for each reader that a reader calls."""


def read(opened: socket.socket, most: int, take: TakeAll, dropped: Counter[str]) -> int:
    """Give what has come, up to `most` times, to `take([(datagram, source, local), …])`; how often there was something.

    What cannot be read is counted in `dropped`. Datagrams may be changed in place, and are gone when `take` returns.
    """
    batch = _idle.pop() if _idle else ReceiveBatch() if _LINUX else OneByOne()
    try:
        return batch.read(opened, most, take, dropped)
    finally:
        _idle.append(batch)


def _controls(data: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Control messages as Python's sockets have them."""
    at = 0
    while at + _CONTROL.size <= len(data):
        size, level, kind = _CONTROL.unpack_from(data, at)
        yield level, kind, bytes(data[at + _CONTROL.size : at + size])
        at += max(size + 7 & ~7, _CONTROL.size)


def _read_controls(found: Any, size: int) -> tuple[bytes, int]:
    """Which of our addresses it was sent to, and the size of the datagrams that it was put together of."""
    local, segment = b"", size
    for level, kind, data in found:
        if level == socket.IPPROTO_UDP and kind == UDP_GRO:
            segment = int.from_bytes(data[:4], sys.byteorder) or size
        elif (level, kind) in _PKTINFO:
            local = data
    return local, segment


def _cut(data: memoryview, segment: int, source: Source, local: bytes) -> list[Arrived]:
    size = len(data)
    if size <= segment:
        return [(data, source, local)]
    return [(data[start : min(start + segment, size)], source, local) for start in range(0, size, segment)]


@lru_cache(limits.UDP_SOURCES)
def _source(name: bytes) -> Source:
    """A socket's name of a peer, as Python's sockets have it."""
    if not name:
        return ()
    family, port = int.from_bytes(name[:2], sys.byteorder), int.from_bytes(name[2:4])
    if family == socket.AF_INET:
        return (socket.inet_ntop(family, name[4:8]), port)
    flow, scope = int.from_bytes(name[4:8]), int.from_bytes(name[24:28], sys.byteorder)
    host = socket.inet_ntop(socket.AF_INET6, name[8:24])
    if scope:  # of a link's address Python says which link
        host, _ = socket.getnameinfo((host, port, flow, scope), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return (host, port, flow, scope)


def _address(memory: Any) -> int:
    return int(_ffi.cast("uintptr_t", _ffi.from_buffer(memory)))
