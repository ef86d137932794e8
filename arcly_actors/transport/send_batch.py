"""Datagrams to many peers in one system call (sendmmsg, Linux): what a port with a crowd of viewers sends by.

Python's `sendmsg` takes 4.4 µs for a datagram of 268 bytes and 9.0 µs for a segmented send of 12 kB; of these 1.6 and
2.1 µs are its own; hence the C library's own call (`sendmmsg`).

Who is sent to changes seldom, what is sent all the time. So the kernel's message headers are made once for a set of
peers (`Addresses`), and a send changes only the length that all have and the size that all are cut into.
"""

import errno
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from pylibsrtp._binding import ffi as srtp_ffi  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits
from arcly_actors.transport.sendmmsg import SEGMENT, UDP_SEGMENT
from arcly_actors.transport.sendmmsg import ffi as _ffi

_LINUX = sys.platform.startswith("linux") and sys.byteorder == "little"
_HEADER = struct.Struct("@Qii")

_SIZE = _ffi.sizeof("struct mmsghdr")
_WORDS = _SIZE // 8
"""A header as words of 64 bits, of which `Addresses` fills these; `_PIECES` is the iovec's place."""
_NAME, _NAME_SIZE, _PIECES, _PIECE_COUNT, _CONTROL, _CONTROL_SIZE = range(6)
_ROOM = 64
_STRIDE = (limits.GSO_BYTES + limits.RTP_BYTES) // 64 * 64 + 64


class PeerName:
    """A peer's address and the control messages of a send to it, as the kernel takes them."""

    __slots__ = ("control", "name", "where")

    def __init__(self, source: tuple[Any, ...], ancillary: Sequence[tuple[int, int, bytes]]) -> None:
        self.name = _sockaddr(source)
        self.control = b"".join(_control(*each) for each in ancillary)
        self.where = _address(_ffi.from_buffer(self.name))


class _Control:
    """The control messages that all peers reached from one address of ours share: first how to cut, then from where."""

    __slots__ = ("_memory", "address", "further", "segment", "size")

    def __init__(self, further: bytes) -> None:
        self._memory = bytearray(SEGMENT.pack(18, socket.IPPROTO_UDP, UDP_SEGMENT, 0) + further)
        self.segment = memoryview(self._memory)[_HEADER.size : _HEADER.size + 2].cast("H")
        self.address = _address(_ffi.from_buffer(self._memory))
        self.size = len(self._memory)
        self.further = len(further)


class Addresses:
    """The headers of messages to these peers, for `SendBatch.flush`: those of trains, and those of datagrams alone."""

    __slots__ = ("_alone", "_controls", "_peers", "_trains")

    def __init__(self, peers: Sequence[PeerName], pieces: "array[int]") -> None:
        self._peers = peers  # whose memory is pointed into
        controls = {peer.control: _Control(peer.control) for peer in peers}
        self._controls = tuple(controls.values())
        of = [controls[peer.control] for peer in peers]
        columns = {
            _NAME: array("Q", [peer.where for peer in peers]),
            _NAME_SIZE: array("Q", [len(peer.name) for peer in peers]),
            _PIECES: (pieces * (len(peers) // len(pieces) + 1))[: len(peers)],
            _PIECE_COUNT: array("Q", [1]) * len(peers),
            _CONTROL: array("Q", [each.address for each in of]),
            _CONTROL_SIZE: array("Q", [each.size for each in of]),
        }
        self._trains = _headers(columns)
        columns[_CONTROL] = array("Q", [each.address + SEGMENT.size if each.further else 0 for each in of])
        columns[_CONTROL_SIZE] = array("Q", [each.further for each in of])
        self._alone = _headers(columns)

    def cut(self, step: int) -> Any:
        """The headers of messages that are cut into datagrams of `step` bytes; 0: each is one datagram."""
        if not step:
            return self._alone
        for control in self._controls:
            control.segment[0] = step
        return self._trains


def _headers(columns: "dict[int, array[int]]") -> Any:
    count = len(columns[_NAME])
    # With room: crowds grow by one and one, and blocks of memory that do so leave holes that no later one fits in.
    memory = bytearray(_SIZE * (count // _ROOM + 1) * _ROOM)
    words = memoryview(memory).cast("Q")
    for word, values in columns.items():
        words[word : count * _WORDS : _WORDS] = memoryview(values)
    return _ffi.from_buffer("struct mmsghdr[]", memory)


class SendBatch:
    """Memory for the messages of one `sendmmsg`: `fill` the areas, protect what lies at `slots`, `flush`."""

    def __init__(self, opened: socket.socket) -> None:
        count = limits.SEND_BATCH
        self._descriptor = opened.fileno()
        self._libc = _ffi.dlopen(None)
        self._memory = bytearray(count * _STRIDE)
        base = srtp_ffi.from_buffer("uint8_t[]", self._memory)
        self.areas = [base + index * _STRIDE for index in range(count)]
        self._lengths = srtp_ffi.new("int[]", count * limits.GSO_SEGMENTS)
        self.lengths = [self._lengths + index for index in range(count * limits.GSO_SEGMENTS)]
        address = _address(base)
        self._vectors = array("Q")
        for index in range(count):
            self._vectors += array("Q", (address + index * _STRIDE, 0))
        vectors = _address(_ffi.from_buffer(self._vectors))
        self._pieces = array("Q", range(vectors, vectors + 16 * count, 16))
        self._sizes = memoryview(self._vectors)[1::2]
        self._size = 0

    def arrange(self, peers: Sequence[PeerName]) -> Addresses:
        """Headers for messages to these peers; the one at an index that lies in area `index % limits.SEND_BATCH`."""
        return Addresses(peers, self._pieces)

    def slots(self, count: int, step: int, members: int) -> list[Any]:
        """Where the `count` packets of a message lie, `step` apart, area after area."""
        offsets = range(0, count * step, step)
        return [area + offset for area in self.areas[:members] for offset in offsets]

    def fill(self, template: bytes, lengths: bytes, members: int) -> None:
        """The plain packets into the first areas, and how long each is to `lengths`."""
        move, size = srtp_ffi.memmove, len(template)
        if size != self._size:
            self._size = size
            self._sizes[:] = memoryview(array("Q", (size,)) * limits.SEND_BATCH)
        for area in self.areas[:members]:
            move(area, template, size)
        move(self._lengths, lengths * members, len(lengths) * members)

    def view(self, index: int, start: int, end: int) -> memoryview:
        """A part of the message in an area."""
        begin = index * _STRIDE
        return memoryview(self._memory)[begin + start : begin + end]

    def flush(self, headers: Any, start: int, count: int) -> list[tuple[int, int]]:
        """Send so many messages from the one at `start` on; (index, errno) of those that the kernel did not take."""
        failed: list[tuple[int, int]] = []
        done, end = start, start + count
        while done < end:
            sent = self._libc.sendmmsg(self._descriptor, headers + done, end - done, 0)
            if sent > 0:
                done += sent
            elif _ffi.errno != errno.EINTR:
                failed.append((done, _ffi.errno))
                done += 1
        return failed


def open_batch(opened: socket.socket) -> SendBatch | None:
    """The batch of a socket; None where the system has no such call."""
    return SendBatch(opened) if _LINUX else None


def _address(pointer: Any) -> int:
    return int(_ffi.cast("uintptr_t", pointer))


def _sockaddr(source: tuple[Any, ...]) -> bytes:
    host, port = str(source[0]).partition("%")[0], int(source[1])
    if len(source) == 2:
        return struct.pack("=H", socket.AF_INET) + port.to_bytes(2) + socket.inet_aton(host) + bytes(8)
    flow, scope = int(source[2]), int(source[3])
    head = struct.pack("=H", socket.AF_INET6) + port.to_bytes(2) + flow.to_bytes(4)
    return head + socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", scope)


def _control(level: int, kind: int, data: bytes) -> bytes:
    head = _HEADER.pack(_HEADER.size + len(data), level, kind)
    return head + data + bytes(-len(data) % 8)
