"""Sockets of one-way datagram feeds: bound and joined to receive, or connected to send. Never waits, never buffers."""

import asyncio
import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from arcly_actors import limits
from arcly_actors.errors import AddressUnavailable, ConfigurationError
from arcly_actors.runtime.seams import Tap, heard_by
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.feed_address import FeedAddress

# Linux's numbers (linux/in.h), which Python has no names for.
_JOIN_GROUP: Final = 42
_JOIN_SOURCE_GROUP: Final = 46
_ADD_SOURCE_MEMBERSHIP: Final = 39
_MULTICAST_ALL: Final = 49
_RXQ_OVFL: Final = 40
_STORAGE: Final = 128
_ROOM: Final = 65_536

Deliver = Callable[[bytes, str], None]
"""Takes a datagram and the host that sent it."""


class FeedInlet:
    """Receives a feed. AddressUnavailable when it cannot be bound or joined.

    Bound to a group it gets that group's datagrams alone, and those of its sources alone if there are any. `dropped`
    counts ``receive-error``, and as ``kernel`` what the kernel had no room for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, address: FeedAddress) -> None:
        self._loop = loop
        self._socket = _receiving(address)
        self._overflow = 0
        self.bound = Address.of_peer(self._socket.getsockname())
        self.dropped: Counter[str] = Counter()
        self.taps: tuple[Tap, ...] = ()
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is something to `read`."""
        self._wake = wake
        self._loop.add_reader(self._socket.fileno(), wake)

    def poke(self) -> None:
        """See `runtime.seams.Tapped.poke`."""
        if self._socket.fileno() >= 0:
            self._wake()

    def close(self) -> None:
        """Leave the group and close; more than once does no harm."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def read(self, deliver: Deliver) -> None:
        """Give what has come, up to a bound, to `deliver`."""
        receive = self._socket.recvmsg
        deliver = heard_by(self.taps, deliver)
        for _ in range(limits.UDP_READS):
            try:
                data, ancillary, _flags, source = receive(_ROOM, 64)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.dropped["receive-error"] += 1
                continue
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == _RXQ_OVFL:
                    total = int.from_bytes(value[:4], sys.byteorder)
                    self.dropped["kernel"] += (total - self._overflow) & 0xFFFFFFFF
                    self._overflow = total
            deliver(data, source[0].removeprefix("::ffff:") if isinstance(source, tuple) else "")


class FeedOutlet:
    """Sends a feed. AddressUnavailable when there is no way to it. `dropped` counts ``full`` and ``refused``."""

    def __init__(self, address: FeedAddress, resolved: tuple[Any, ...] | None = None) -> None:
        self._where = resolved or (address.host, address.port)
        self._socket = _sending(address, self._where)
        self.bound = Address.of_peer(self._socket.getsockname())
        self.dropped: Counter[str] = Counter()
        self.taps: tuple[Tap, ...] = ()

    def poke(self) -> None:
        """See `runtime.seams.Tapped.poke`: nothing comes by it."""

    def send(self, data: bytes | memoryview) -> None:
        """One datagram; one that the kernel does not take is lost, as it would be in the network."""
        for tap in self.taps:
            tap.went(data, self._where)
        try:
            self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            self.dropped["full"] += 1
        except OSError as error:  # nobody listens there now: that is no reason not to go on
            full = error.errno == errno.ENOBUFS
            self.dropped["full" if full else "refused"] += 1

    def close(self) -> None:
        """Close; more than once does no harm."""
        self._socket.close()


def _receiving(address: FeedAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    shown = str(Address(address.host, address.port))
    try:
        where = socket.getaddrinfo(
            address.host, address.port, family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0][4]
    except OSError as error:
        raise AddressUnavailable(shown, error.strerror or str(error)) from error
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if address.group is not None:  # several programs of a host may listen to a group
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address.host != "::"))
        opened.bind(_scoped(where, address))
        if address.group is not None:
            _join(opened, address)
    except (OSError, ConfigurationError) as error:
        opened.close()
        reason = getattr(error, "strerror", "") or str(error)
        raise AddressUnavailable(shown, reason) from error
    for option in (
        (socket.SOL_SOCKET, socket.SO_RCVBUF, limits.UDP_KERNEL_BUFFER),
        (socket.SOL_SOCKET, _RXQ_OVFL, 1),
        (socket.IPPROTO_IP, _MULTICAST_ALL, 0),
    ):
        with suppress(OSError):  # each is an improvement that not every system has
            opened.setsockopt(*option)
    return opened


def _join(opened: socket.socket, address: FeedAddress) -> None:
    six = opened.family == socket.AF_INET6
    level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
    if "." in address.interface and not six:
        group, local = socket.inet_aton(address.host), socket.inet_aton(address.interface)
        for source in address.sources:
            opened.setsockopt(level, _ADD_SOURCE_MEMBERSHIP, group + local + socket.inet_aton(source))
        if not address.sources:
            opened.setsockopt(level, socket.IP_ADD_MEMBERSHIP, group + local)
        return
    index = struct.pack("@I4x", _index(address.interface))
    for source in address.sources:
        opened.setsockopt(level, _JOIN_SOURCE_GROUP, index + _storage(address.host) + _storage(source))
    if not address.sources:
        opened.setsockopt(level, _JOIN_GROUP, index + _storage(address.host))


def _scoped(where: tuple[Any, ...], address: FeedAddress) -> tuple[Any, ...]:
    """The socket's name of an IPv6 group says on which interface it is meant: those of a link are many (RFC 4007)."""
    if len(where) == 4 and address.group is not None and address.interface:
        return (where[0].partition("%")[0], where[1], where[2], _index(address.interface))
    return where


def _index(interface: str) -> int:
    return socket.if_nametoindex(interface) if interface else 0


def _storage(host: str) -> bytes:
    """A sockaddr_storage."""
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        name = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, packed, 0)
    else:
        name = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(host))
    return name.ljust(_STORAGE, b"\x00")


def _sending(address: FeedAddress, where: tuple[Any, ...]) -> socket.socket:
    family = socket.AF_INET6 if ":" in str(where[0]) else socket.AF_INET
    where = (*where, 0, 0) if family == socket.AF_INET6 and len(where) == 2 else where
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.UDP_KERNEL_BUFFER)
        if address.group is not None:
            _send_out(opened, address)
        elif address.interface and "." in address.interface:
            opened.bind((address.interface, 0))
        opened.connect(_scoped(where, address))
    except OSError as error:
        opened.close()
        raise AddressUnavailable(str(Address(str(where[0]), int(where[1]))), error.strerror or str(error)) from error
    return opened


def _send_out(opened: socket.socket, address: FeedAddress) -> None:
    """By which interface a group is sent to, and how far."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, address.ttl)
        if address.interface:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _index(address.interface))
        return
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, address.ttl)
    if "." in address.interface:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address.interface))
    elif address.interface:
        request = struct.pack("=4s4si", bytes(4), bytes(4), _index(address.interface))
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
