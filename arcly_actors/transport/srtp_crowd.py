"""`Crowd`: the same packets to many sessions of one port, protected one after the other, sent a batch at a time.

A viewer-frame of ten packets then costs what the cipher and the kernel take, and 1 to 2 µs of Python.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits
from arcly_actors.transport.send_batch import SendBatch
from arcly_actors.transport.srtp_batch import Group, Scratch, SharedPackets
from arcly_actors.transport.udp_socket import NO_SEGMENTS, Datagrams, Path, drop_reason

_protect: Any = lib.srtp_protect


class Member(Protocol):
    """A session as the crowd sees it."""

    station: tuple[Any, int, Path] | None
    """SRTP context, bytes that a packet grows by, and the way to the peer; None while nothing can be sent."""

    def send_shared(self, packets: SharedPackets) -> bool:
        """Send to this one alone."""
        ...

    def sent(self, count: int, size: int) -> None:
        """Count so many packets of so many bytes in all."""
        ...

    def unsent(self, count: int) -> None:
        """Count packets that did not leave."""
        ...


class Crowd:
    """Of one port; see the module."""

    def __init__(self, udp: Datagrams, scratch: Scratch) -> None:
        self._udp = udp
        self._scratch = scratch

    def send(self, members: Sequence[Member], packets: SharedPackets) -> list[Member]:
        """Send to all; those who did not get all of it are returned."""
        batch = self._udp.batch
        first = next((member.station for member in members if member.station is not None), None)
        if batch is None or first is None or len(members) < limits.SEND_BATCH:
            return [member for member in members if not member.send_shared(packets)]
        tag = first[1]
        alike: list[Member] = []
        missed: list[Member] = []
        for member in members:
            station = member.station
            if station is not None and station[1] == tag and station[2].segments:
                alike.append(member)
            elif not member.send_shared(packets):  # another cipher, a path that cannot, nobody there
                missed.append(member)
        for group in packets.groups(tag, self._scratch):
            missed += self._send_group(alike, group, batch)
        return missed

    def _send_group(self, members: Sequence[Member], group: Group, batch: SendBatch) -> list[Member]:
        size, count, template, lengths = group.size, group.count, group.template, group.lengths
        areas = batch.lay_out(size, count, group.bounds[0][1])
        move, protect, bytes_of_lengths = ffi.memmove, _protect, 4 * count
        missed: list[Member] = []
        ready: list[Member] = []
        for member in members:
            station = member.station
            if station is None:
                missed.append(member)
                continue
            context, _, path = station
            where, slots, own_lengths = areas[len(ready)]
            move(where, template, size)
            move(own_lengths, lengths, bytes_of_lengths)
            for packet, length in slots:
                if protect(context, packet, length):
                    member.unsent(count)
                    missed.append(member)
                    break
            else:
                batch.address(len(ready), path.peer)
                ready.append(member)
            if len(ready) == limits.SEND_BATCH:
                missed += self._flush(batch, ready, group)
                ready = []
        return missed + self._flush(batch, ready, group) if ready else missed

    def _flush(self, batch: SendBatch, ready: Sequence[Member], group: Group) -> list[Member]:
        failed = batch.flush(len(ready))
        for member in ready:
            member.sent(group.count, group.size)
        missed = []
        for index, number in failed:
            member = ready[index]
            if self._sent_singly(member, index, number, batch, group):
                continue
            member.sent(-group.count, -group.size)
            member.unsent(group.count)
            missed.append(member)
            self._udp.dropped[drop_reason(number)] += 1
        return missed

    def _sent_singly(self, member: Member, index: int, number: int, batch: SendBatch, group: Group) -> bool:
        """Where an interface or route cannot segment, packets go one by one, now and from now on."""
        if number not in NO_SEGMENTS or group.count == 1 or member.station is None:
            return False
        path = member.station[2]
        path.segments = False
        return all([self._udp.send(batch.view(index, start, end), path) for start, end in group.bounds])  # noqa: C419
