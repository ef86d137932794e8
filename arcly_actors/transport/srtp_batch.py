"""`SharedPackets`: the RTP packets of one frame, laid out once and protected for every viewer at the price of a copy.

All viewers of one payload-type map get the same plain packets; only SRTP differs. The packets are laid out once per
tag length in groups that fit one segmented send (UDP GSO wants equal sizes, the last may be shorter). Per viewer and
group that leaves: one memcpy into the port's scratch memory, one libsrtp call for each packet, in place, one sendmsg.

Measured on loopback with AES-GCM, nine packets of 1200 bytes: 11 µs into one socket (4 of them for the cipher; 16 with
AES-CM), 20 µs to 100 viewers that read in another process. There, a viewer-second of 2.6 Mb/s at 30 fps and 50 Opus
packets (5 µs each) costs 0.88 ms CPU, one of 600 kb/s 0.57 ms.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits
from arcly_actors.transport.srtp import SrtpSender
from arcly_actors.transport.udp_socket import Datagrams, Path

_TAG_ROOM = 16


class Scratch:
    """Memory in which a port protects packets for one peer: one for all of its sessions."""

    __slots__ = ("base", "data", "lengths")

    def __init__(self) -> None:
        self.data = bytearray(limits.GSO_BYTES + limits.RTP_BYTES + _TAG_ROOM)
        self.base = ffi.from_buffer("uint8_t[]", self.data)
        self.lengths = ffi.new("int[]", limits.GSO_SEGMENTS)


class Group:
    """Packets for one segmented send: `template` has them `step` bytes apart with room for their tags, `lengths` are
    theirs without (native ints)."""

    __slots__ = ("bounds", "count", "lengths", "size", "step", "template")

    def __init__(self, packets: Sequence[bytes], tag: int) -> None:
        room = bytes(tag)
        self.step = len(packets[0]) + tag
        self.template = b"".join([part for packet in packets for part in (packet, room)])
        self.count = len(packets)
        self.size = len(self.template)
        self.lengths = array("i", [len(packet) for packet in packets]).tobytes()
        self.bounds = [(start, min(start + self.step, self.size)) for start in range(0, self.size, self.step)]


class SharedPackets:
    """Plain RTP packets in the order they are to leave; ValueError for one that is no RTP packet or does not fit."""

    __slots__ = ("_layouts", "packets")

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = tuple(packets)
        for packet in self.packets:
            if not 12 <= len(packet) <= limits.RTP_BYTES:
                raise ValueError(f"an RTP packet has 12 to {limits.RTP_BYTES} bytes, not {len(packet)}")
        self._layouts: dict[int, tuple[Group, ...]] = {}

    def groups(self, tag: int) -> tuple[Group, ...]:
        """The layout for viewers whose packets grow by `tag` bytes; made at the first of them."""
        layout = self._layouts.get(tag)
        if layout is None:
            layout = self._layouts[tag] = tuple([Group(packets, tag) for packets in grouped(self.packets, tag)])
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


def send_group(group: Group, srtp: SrtpSender, scratch: Scratch, udp: Datagrams, path: Path) -> bool:
    """Protect one group for one viewer and send it; False when it did not leave whole."""
    base, lengths = scratch.base, scratch.lengths
    ffi.memmove(base, group.template, group.size)
    ffi.memmove(lengths, group.lengths, len(group.lengths))
    context, protect = srtp.context, _protect
    for index, (start, _) in enumerate(group.bounds):
        if protect(context, base + start, lengths + index):
            return False
    view = memoryview(scratch.data)[: group.size]
    if group.count == 1:
        return udp.send(view, path)
    return udp.send_segments(view, group.step, group.bounds, path)


_protect: Any = lib.srtp_protect
