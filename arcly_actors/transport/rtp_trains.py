"""Packets that leave in one system call: interleaved frames (RFC 2326 §10.12) out of their framing, by size."""

from dataclasses import dataclass, field
from itertools import accumulate

from arcly_actors import limits
from arcly_actors.transport.train_call import TrainCall


@dataclass(frozen=True, slots=True)
class Train:
    """Packets of one channel that leave in one call. `data` is no view: what a call holds on to is looked at by cffi, and
    the collector of CPython 3.11 crashes on a view that is looked at itself, as soon as the two are garbage of a cycle.
    """

    channel: int
    data: bytes
    bounds: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """All that one write carries: reports, which go first, for they tell when the packets behind them are to be played,
    and the media's trains; `ends` has the bytes up to the end of each. `calls` are these as the kernel takes them, by
    what else a peer's messages say."""

    reports: list[Train]
    trains: list[Train]
    ends: list[int]
    channels: frozenset[int]
    calls: dict[bytes, TrainCall] = field(default_factory=dict)

    def call(self, control: bytes) -> TrainCall:
        """The media's trains, each with this control message, made once."""
        made = self.calls.get(control)
        if made is None:
            made = self.calls[control] = TrainCall(self.trains, control)
        return made


def cut(data: bytes) -> Cut:
    """The frames of each channel in order, those of one size together; the last of a train may be smaller."""
    by_channel: dict[int, list[bytes]] = {}
    at, end = 0, len(data)
    while at + 4 <= end:
        stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
        by_channel.setdefault(data[at + 1], []).append(data[at + 4 : stop])
        at = stop
    reports: list[Train] = []
    trains: list[Train] = []
    for channel, packets in by_channel.items():
        (reports if channel & 1 else trains).extend(_trains(channel, packets))
    ends = list(accumulate(len(train.data) for train in trains))
    return Cut(reports, trains, ends, frozenset(train.channel for train in trains))


def _trains(channel: int, packets: list[bytes]) -> list[Train]:
    trains: list[Train] = []
    group: list[bytes] = []
    for packet in packets:
        if group and (len(packet) > len(group[0]) or len(group[-1]) < len(group[0]) or len(group) == limits.UDP_TRAIN):
            trains.append(_train(channel, group))
            group = []
        group.append(packet)
    return [*trains, _train(channel, group)]


def _train(channel: int, packets: list[bytes]) -> Train:
    bounds: list[tuple[int, int]] = []
    at = 0
    for packet in packets:
        bounds.append((at, at + len(packet)))
        at += len(packet)
    return Train(channel, b"".join(packets), tuple(bounds))
