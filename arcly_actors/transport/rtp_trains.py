"""Packets that leave in one system call: interleaved frames (RFC 2326 §10.12) out of their framing, by size."""

import socket
import struct
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.transport.udp_socket import UDP_SEGMENT, Ancillary


@dataclass(frozen=True, slots=True)
class Train:
    """Packets of one channel that leave in one call."""

    channel: int
    data: memoryview
    bounds: tuple[tuple[int, int], ...]
    ancillary: Ancillary


def cut(data: bytes) -> list[Train]:
    """The frames of each channel in order, those of one size together; the last of a train may be smaller."""
    by_channel: dict[int, list[bytes]] = {}
    at, end = 0, len(data)
    while at + 4 <= end:
        stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
        by_channel.setdefault(data[at + 1], []).append(data[at + 4 : stop])
        at = stop
    trains: list[Train] = []
    # Odd channels are reports, which tell when the packets behind them are to be played.
    for channel in sorted(by_channel, key=lambda number: (number + 1) % 2):
        group: list[bytes] = []
        for packet in by_channel[channel]:
            if group and (
                len(packet) > len(group[0]) or len(group[-1]) < len(group[0]) or len(group) == limits.UDP_TRAIN
            ):
                trains.append(_train(channel, group))
                group = []
            group.append(packet)
        trains.append(_train(channel, group))
    return trains


def _train(channel: int, packets: list[bytes]) -> Train:
    bounds: list[tuple[int, int]] = []
    at = 0
    for packet in packets:
        bounds.append((at, at + len(packet)))
        at += len(packet)
    size = struct.pack("=H", len(packets[0]))
    return Train(channel, memoryview(b"".join(packets)), tuple(bounds), ((socket.IPPROTO_UDP, UDP_SEGMENT, size),))
