"""One UDP socket for all WebRTC peers: our own, because uvloop hides that of a datagram endpoint.

Bound to a wildcard it answers from the address that the peer sent to (IP_PKTINFO, RFC 3542): ICE discards answers from
any other. Where the kernel can (Linux), a train of packets leaves in one call (UDP_SEGMENT) and arrives in one (UDP_GRO).
"""

import asyncio
import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from arcly_actors import limits
from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime.seams import Tap, heard_by
from arcly_actors.transport import receive_batch
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.send_batch import PeerName, SendBatch, open_batch

_LINUX = sys.platform.startswith("linux")
UDP_SEGMENT = 103
"""The control message with the size of the segments to cut a send into (linux/udp.h)."""

_WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
NO_SEGMENTS = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""What a segmented send fails with where the interface or the route cannot."""

Source = receive_batch.Source
Ancillary = tuple[tuple[int, int, bytes], ...]
Deliver = receive_batch.Deliver
Arrived = receive_batch.Arrived
TakeAll = receive_batch.TakeAll


class Path:
    """A way to a peer: where it is (as the socket says it) and which of our addresses it talks to."""

    __slots__ = ("_peer", "address", "ancillary", "local", "segments", "source")

    def __init__(self, source: Source, local: bytes, *, segments: bool) -> None:
        self.source = source
        self.local = local
        self.address = Address.of_peer(source)
        self.ancillary = _from(local)
        self.segments = segments
        self._peer: PeerName | None = None

    @property
    def peer(self) -> PeerName:
        """The same for a `SendBatch`."""
        if self._peer is None:
            self._peer = PeerName(self.source, self.ancillary)
        return self._peer

    def same(self, other: "Path") -> bool:
        """Whether both ends are the other path's."""
        return self.source == other.source and self.ancillary == other.ancillary


class Datagrams(Protocol):
    """The face of `UdpSocket`, for sockets that are none (tests in virtual time)."""

    bound: Address
    dropped: Counter[str]
    batch: SendBatch | None
    taps: tuple[Tap, ...]

    def start(self, wake: Callable[[], None]) -> None:
        """See `UdpSocket.start`."""
        ...

    def pause(self) -> None:
        """See `UdpSocket.pause`."""
        ...

    def poke(self) -> None:
        """See `UdpSocket.poke`."""
        ...

    def close(self) -> None:
        """See `UdpSocket.close`."""
        ...

    def read(self, deliver: Deliver) -> int:
        """See `UdpSocket.read`."""
        ...

    def read_all(self, take: TakeAll) -> int:
        """See `UdpSocket.read_all`."""
        ...

    def path(self, source: Source, local: bytes) -> Path:
        """See `UdpSocket.path`."""
        ...

    def send(self, data: bytes | memoryview, path: Path) -> bool:
        """See `UdpSocket.send`."""
        ...

    def send_segments(self, data: memoryview, step: int, bounds: Sequence[tuple[int, int]], path: Path) -> bool:
        """See `UdpSocket.send_segments`."""
        ...


@dataclass(frozen=True, slots=True)
class UdpBounds:
    """How often a socket is read at a time, and the bytes that may wait in the kernel each way."""

    reads: int
    kernel_buffer: int


FOR_MANY = UdpBounds(limits.UDP_READS, limits.UDP_KERNEL_BUFFER)
"""A port that many peers share."""

FOR_ONE = UdpBounds(limits.RTP_READS, limits.RTP_KERNEL_BUFFER)
"""A port of one peer's, of which there may be hundreds."""


class UdpSocket:
    """See the module. Sending never waits: what the kernel does not take is dropped and counted, as the network would.

    `batched` sockets have a `SendBatch`, which takes a megabyte, and what is sent by it no tap hears of.
    """

    __slots__ = (
        "_loop",
        "_reads",
        "_send",
        "_socket",
        "_wake",
        "batch",
        "bound",
        "dropped",
        "segments",
        "taps",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        *,
        batched: bool = True,
        bounds: UdpBounds = FOR_MANY,
    ) -> None:
        self._loop = loop
        self._reads = bounds.reads
        self._socket = opened = _open(address, bounds.kernel_buffer)
        self._send = opened.sendmsg
        self.bound = Address.of_peer(opened.getsockname())
        self.segments = _has_segments(opened)
        self.batch = open_batch(opened) if batched else None
        self.dropped: Counter[str] = Counter()
        self.taps: tuple[Tap, ...] = ()
        self._wake: Callable[[], None] | None = None

    def fileno(self) -> int:
        """Its descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def start(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is something to `read`."""
        self._wake = wake
        self._loop.add_reader(self._socket.fileno(), wake)

    def pause(self) -> None:
        """Do not call for now: whoever reads comes by itself. `start` again ends that."""
        self._wake = None
        self._loop.remove_reader(self._socket.fileno())

    def poke(self) -> None:
        """See `runtime.seams.Tapped.poke`; nothing while it is paused or closed."""
        if self._wake is not None:
            self._wake()

    def close(self) -> None:
        """Close; more than once does no harm."""
        self._wake = None
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def read(self, deliver: Deliver) -> int:
        """Give what has come, up to a bound, to `deliver(datagram, source, local)`; the number of reads.

        The datagram may be changed in place and is gone when the call returns.
        """
        deliver = heard_by(self.taps, deliver)

        def take(arrived: Sequence[Arrived]) -> None:
            for data, source, local in arrived:
                deliver(data, source, local)

        return receive_batch.read(self._socket, self._reads, take, self.dropped)

    def read_all(self, take: TakeAll) -> int:
        """The same, with what came together given to `take([(datagram, source, local), …])` together."""
        if self.taps:
            return self.read(lambda data, source, local: take(((data, source, local),)))
        return receive_batch.read(self._socket, self._reads, take, self.dropped)

    def path(self, source: Source, local: bytes) -> Path:
        """How to answer a datagram."""
        return Path(source, local, segments=self.segments)

    def send(self, data: bytes | memoryview, path: Path) -> bool:
        """One datagram; False when it was dropped."""
        for tap in self.taps:
            tap.went(data, path.source)
        return self._send_one(data, path)

    def _send_one(self, data: bytes | memoryview, path: Path) -> bool:
        try:
            self._send((data,), path.ancillary, 0, path.source)
        except OSError as error:
            self._drop(error)
            return False
        return True

    def send_segments(self, data: memoryview, step: int, bounds: Sequence[tuple[int, int]], path: Path) -> bool:
        """A train of datagrams lying in `data` at `bounds`, `step` bytes apart: the kernel cuts it so where it can."""
        tell_train(self.taps, data, bounds, path.source)
        if path.segments:
            cut = (socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", step))
            try:
                self._send((data,), (cut, *path.ancillary), 0, path.source)
            except OSError as error:
                if error.errno not in NO_SEGMENTS:
                    self._drop(error)
                    return False
                path.segments = False  # this interface or route cannot: one by one from now on
            else:
                return True
        sent = True
        for start, end in bounds:
            sent = self._send_one(data[start:end], path) and sent
        return sent

    def _drop(self, error: OSError) -> None:
        self.dropped[drop_reason(error.errno or 0)] += 1


def tell_train(taps: tuple[Tap, ...], data: bytes | memoryview, bounds: Sequence[tuple[int, int]], to: Source) -> None:
    """Have taps hear of a train's datagrams."""
    for tap in taps:
        if tap.hears(to):
            for start, end in bounds:
                tap.went(data[start:end], to)


def drop_reason(number: int) -> str:
    """Why a datagram did not leave, by its errno."""
    return "send-buffer-full" if number in {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS} else "send-error"


def _from(local: bytes) -> Ancillary:
    """The control message that makes an answer leave from where `local` (a received one) says it was asked."""
    if len(local) == 12:  # in_pktinfo: interface, local address, destination in the header
        return ((socket.IPPROTO_IP, receive_batch.IP_PKTINFO, struct.pack("=I4s4s", 0, local[4:8], bytes(4))),)
    if len(local) == 20:  # in6_pktinfo: address, interface
        return ((socket.IPPROTO_IPV6, receive_batch.IPV6_PKTINFO, local),)
    return ()


def _open(address: Address, kernel_buffer: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except OSError as error:
        raise AddressUnavailable(str(address), error.strerror or str(error)) from error
    family, where = found[0][0], found[0][4]
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(where[0] != "::"))
        opened.bind(where)
    except OSError as error:
        opened.close()
        raise AddressUnavailable(str(address), error.strerror or str(error)) from error
    _set_options(opened, kernel_buffer, wildcard=where[0] in _WILDCARDS)
    return opened


def _set_options(opened: socket.socket, kernel_buffer: int, *, wildcard: bool) -> None:
    options = [
        (socket.SOL_SOCKET, socket.SO_RCVBUF, kernel_buffer),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_buffer),
    ]
    if _LINUX:
        options.append((socket.IPPROTO_UDP, receive_batch.UDP_GRO, 1))
        if wildcard and opened.family == socket.AF_INET:
            options.append((socket.IPPROTO_IP, receive_batch.IP_PKTINFO, 1))
        elif wildcard:
            options.append((socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1))
    for option in options:
        with suppress(OSError):  # each is an improvement that an older kernel may not have
            opened.setsockopt(*option)


def _has_segments(opened: socket.socket) -> bool:
    if not _LINUX:
        return False
    try:
        opened.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True
