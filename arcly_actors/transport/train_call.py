"""The same trains to one UDP viewer, or to many, in one system call (sendmmsg, Linux).

500 viewers of 2.6 Mb/s that are sent 95 ms at a time take 30 pictures and 47 sounds a second each, and each message has a
header of its own, which names the peer. To one viewer all messages name it by the same few bytes, and it costs a copy of
its addresses. To many the headers are a copy of these for each, into which a column of addresses is written for each
train: a viewer costs a microsecond of Python then, beside what the kernel takes.
"""

import errno
import socket
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from arcly_actors.transport.send_batch import PeerName
from arcly_actors.transport.sendmmsg import SEGMENT, UDP_SEGMENT
from arcly_actors.transport.sendmmsg import ffi as _ffi

SUPPORTED = sys.platform.startswith("linux") and sys.byteorder == "little"
_STRIDE = 32
"""Bytes from one address to the next; one of IPv6 has 28."""

_WORDS = _ffi.sizeof("struct mmsghdr") // 8
"""A header as words of 64 bits; the first is where the peer's name lies."""

_libc: Any = _ffi.dlopen(None) if SUPPORTED else None


class Sendable(Protocol):
    """What a train is to a call; even channels are media."""

    @property
    def channel(self) -> int:
        """Whose packets they are."""

    @property
    def data(self) -> bytes:
        """The packets one behind another."""

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Where each of them lies."""


class Addresses:
    """Where one viewer is sent each medium, as a `TrainCall` takes it; `control` names our own address, if need be."""

    __slots__ = ("control", "names", "places", "size")

    def __init__(self, peers: dict[int, PeerName]) -> None:
        some = next(iter(peers.values()))
        self.size = len(some.name)
        self.control = some.control
        self.places = {channel: peer.where for channel, peer in peers.items()}
        self.names = bytearray(_STRIDE * (1 + (max(peers) >> 1)))
        for channel, peer in peers.items():
            at = _STRIDE * (channel >> 1)
            self.names[at : at + self.size] = peer.name


class TrainCall:
    """Trains ready to be sent; `control` goes with each."""

    __slots__ = ("_channels", "_count", "_kept", "_messages", "_names", "_size")

    def __init__(self, trains: Sequence[Sendable], control: bytes) -> None:
        self._count = count = len(trains)
        self._messages = _ffi.new("struct mmsghdr[]", count)
        self._names = _ffi.new("char[]", _STRIDE * (1 + (max((train.channel for train in trains), default=0) >> 1)))
        self._channels = [train.channel for train in trains]
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
        self._name_sizes(to.size)
        _ffi.memmove(self._names, to.names, len(self._names))
        while start < end:
            sent = _libc.sendmmsg(descriptor, self._messages + start, end - start, 0)
            if sent > 0:
                start += sent
            elif _ffi.errno != errno.EINTR:
                return start, _ffi.errno
        return end, 0

    def send_all(self, descriptor: int, to: Sequence[Addresses]) -> list[tuple[int, int, int]]:
        """Send all trains to each of these viewers, whose names are of one family; the viewer, the train (indices) and
        the errno of what the kernel did not take.
        """
        self._name_sizes(to[0].size)
        memory = bytearray(_ffi.buffer(self._messages)[:] * len(to))
        words = memoryview(memory).cast("Q")
        for index, channel in enumerate(self._channels):
            places = array("Q", [each.places[channel] for each in to])
            words[index * _WORDS :: self._count * _WORDS] = memoryview(places)
        messages = _ffi.from_buffer("struct mmsghdr[]", memory)
        failed: list[tuple[int, int, int]] = []
        done, end = 0, self._count * len(to)
        while done < end:
            sent = _libc.sendmmsg(descriptor, messages + done, end - done, 0)
            if sent > 0:
                done += sent
            elif _ffi.errno != errno.EINTR:
                failed.append((*divmod(done, self._count), _ffi.errno))
                done += 1
        return failed

    def _name_sizes(self, size: int) -> None:
        if self._size != size:
            self._size = size
            for index in range(self._count):
                self._messages[index].msg_hdr.msg_namelen = size
