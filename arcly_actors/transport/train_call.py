"""The same trains to one UDP viewer after another, each time in one system call (sendmmsg, Linux).

All messages of a call name their peer by the same few bytes, so that a viewer costs a copy of its addresses and the call:
500 viewers of 2.6 Mb/s that are sent 95 ms at a time take 30 pictures and 47 sounds a second each, but 10 calls.
"""

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from arcly_actors.transport.send_batch import PeerName
from arcly_actors.transport.sendmmsg import SEGMENT, UDP_SEGMENT
from arcly_actors.transport.sendmmsg import ffi as _ffi

SUPPORTED = sys.platform.startswith("linux")
_STRIDE = 32
"""Bytes from one address to the next; one of IPv6 has 28."""

_libc: Any = _ffi.dlopen(None) if SUPPORTED else None


class Sendable(Protocol):
    """What a train is to a call; even channels are media."""

    @property
    def channel(self) -> int:
        """Whose packets they are."""

    @property
    def data(self) -> memoryview:
        """The packets one behind another."""

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Where each of them lies."""


class Addresses:
    """Where one viewer is sent each medium, as a `TrainCall` takes it; `control` names our own address, if need be."""

    __slots__ = ("control", "names", "size")

    def __init__(self, peers: dict[int, PeerName]) -> None:
        some = next(iter(peers.values()))
        self.size = len(some.name)
        self.control = some.control
        self.names = bytearray(_STRIDE * (1 + (max(peers) >> 1)))
        for channel, peer in peers.items():
            at = _STRIDE * (channel >> 1)
            self.names[at : at + self.size] = peer.name


class TrainCall:
    """Trains ready to be sent; `control` goes with each."""

    __slots__ = ("_count", "_kept", "_messages", "_names", "_size")

    def __init__(self, trains: Sequence[Sendable], control: bytes) -> None:
        self._count = count = len(trains)
        self._messages = _ffi.new("struct mmsghdr[]", count)
        self._names = _ffi.new("char[]", _STRIDE * (1 + (max((train.channel for train in trains), default=0) >> 1)))
        self._size = 0
        pieces = _ffi.new("struct iovec[]", count)
        self._kept: list[object] = [pieces]
        for index, train in enumerate(trains):
            data = _ffi.from_buffer(train.data)
            pieces[index].iov_base, pieces[index].iov_len = data, len(train.data)
            segments = SEGMENT.pack(18, socket.IPPROTO_UDP, UDP_SEGMENT, train.bounds[0][1])
            said = _ffi.from_buffer((segments if len(train.bounds) > 1 else b"") + control)
            self._kept += (data, said)
            header = self._messages[index].msg_hdr
            header.msg_name = self._names + _STRIDE * (train.channel >> 1)
            header.msg_iov, header.msg_iovlen = pieces + index, 1
            header.msg_control, header.msg_controllen = (said, len(said)) if len(said) else (_ffi.NULL, 0)

    def send(self, descriptor: int, to: Addresses, start: int, end: int) -> tuple[int, int]:
        """Send trains `start` … `end` - 1; the first one that the kernel did not take, or `end`, and its errno."""
        if self._size != to.size:
            self._size = to.size
            for index in range(self._count):
                self._messages[index].msg_hdr.msg_namelen = to.size
        _ffi.memmove(self._names, to.names, len(self._names))
        while start < end:
            sent = _libc.sendmmsg(descriptor, self._messages + start, end - start, 0)
            if sent > 0:
                start += sent
            elif _ffi.errno != errno.EINTR:
                return start, _ffi.errno
        return end, 0
