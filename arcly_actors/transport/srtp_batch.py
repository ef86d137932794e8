"""`SharedPackets`: the RTP packets of one frame, laid out once and protected for every viewer at the price of a copy.

All viewers of one payload-type map get the same plain packets; only SRTP differs. The packets are laid out once per
tag length in groups that fit one segmented send (UDP GSO wants equal sizes, the last may be shorter). Per viewer and
group that leaves: one memcpy into the port's scratch memory, one libsrtp call for each packet, in place, one sendmsg.

Measured on loopback with AES-GCM, nine packets of 1200 bytes: 11 µs into one socket (4 of them for the cipher; 16 with
AES-CM), 20 µs to 100 viewers that read in another process. There, a viewer-second of 2.6 Mb/s at 30 fps and 50 Opus
packets (5 µs each) costs 0.88 ms CPU, one of 600 kb/s 0.57 ms.
"""

import socket
import struct
from collections.abc import Sequence
from typing import Any

from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits
from arcly_actors.transport.srtp import SrtpSender
from arcly_actors.transport.udp_socket import UDP_SEGMENT, Datagrams, Path

_TAG_ROOM = 16


class Scratch:
    """Memory in which a port protects packets before they leave: one for all of its sessions."""

    __slots__ = ("base", "data", "lengths")

    def __init__(self) -> None:
        self.data = bytearray(limits.GSO_BYTES + limits.RTP_BYTES + _TAG_ROOM)
        self.base = ffi.from_buffer("uint8_t[]", self.data)
        self.lengths = ffi.new("int[]", limits.GSO_SEGMENTS)


class Group:
    """Packets for one segmented send. `slots` are pointers into the scratch: where each lies, and its length."""

    __slots__ = ("ancillary", "bounds", "count", "lengths", "scratch", "size", "slots", "template", "view")

    def __init__(self, packets: Sequence[bytes], tag: int, scratch: Scratch) -> None:
        step = len(packets[0]) + tag
        room = bytes(tag)
        self.scratch = scratch
        self.template = b"".join([part for packet in packets for part in (packet, room)])
        self.count = len(packets)
        self.size = len(self.template)
        self.lengths = ffi.new("int[]", [len(packet) for packet in packets])
        self.slots = [(scratch.base + index * step, scratch.lengths + index) for index in range(self.count)]
        self.view = memoryview(scratch.data)[: self.size]
        self.bounds = [(start, min(start + step, self.size)) for start in range(0, self.size, step)]
        self.ancillary: tuple[tuple[int, int, bytes], ...] = ()
        if self.count > 1:
            self.ancillary = ((socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", step)),)


class SharedPackets:
    """Plain RTP packets in the order they are to leave; ValueError for one that is no RTP packet or does not fit."""

    __slots__ = ("_layouts", "packets")

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = tuple(packets)
        for packet in self.packets:
            if not 12 <= len(packet) <= limits.RTP_BYTES:
                raise ValueError(f"an RTP packet has 12 to {limits.RTP_BYTES} bytes, not {len(packet)}")
        self._layouts: dict[tuple[int, Scratch], tuple[Group, ...]] = {}

    def groups(self, tag: int, scratch: Scratch) -> tuple[Group, ...]:
        """The layout for viewers whose packets grow by `tag` bytes; made at the first of them."""
        layout = self._layouts.get((tag, scratch))
        if layout is None:
            layout = tuple(Group(packets, tag, scratch) for packets in grouped(self.packets, tag))
            self._layouts[tag, scratch] = layout
        return layout


def grouped(packets: Sequence[bytes], tag: int) -> list[list[bytes]]:
    """Cut into runs of equal size, a shorter last one included, within what one segmented send may carry."""
    groups: list[list[bytes]] = []
    size = total = 0
    ended = True
    for packet in packets:
        grown = len(packet) + tag
        fits = not ended and grown <= size and len(groups[-1]) < limits.GSO_SEGMENTS and total + grown <= limits.GSO_BYTES
        if not fits:
            groups.append([])
            size, total = grown, 0
        groups[-1].append(packet)
        total += grown
        ended = grown < size
    return groups


def send_group(group: Group, srtp: SrtpSender, udp: Datagrams, path: Path) -> bool:
    """Protect one group for one viewer and send it; False when it did not leave whole."""
    scratch = group.scratch
    ffi.memmove(scratch.base, group.template, group.size)
    ffi.memmove(scratch.lengths, group.lengths, 4 * group.count)
    context, protect = srtp.context, _protect
    for where, length in group.slots:
        if protect(context, where, length):
            return False
    if group.count == 1:
        return udp.send(group.view, path)
    return udp.send_segments(group.view, group.ancillary, group.bounds, path)


_protect: Any = lib.srtp_protect
