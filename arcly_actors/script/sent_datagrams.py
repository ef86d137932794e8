"""What of the datagrams that a real engine sent has to be the same in a replay: the media, not when they left.

An SRT connection measures and tells times, asks for what it misses and sends again what was missed; RTCP reports tell
times. All of that is as the machine and its network were at that moment, and so is how a transport stream was cut into
packets. Settled scripts are compared whole.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from arcly_actors.protocols.srt.packet import CONTROL_BIT, HEADER, HEADER_SIZE, RETRANSMITTED
from arcly_actors.script.record import Record

_KEYS = 0x1800_0000
"""Where a data packet of SRT says with which key it is encrypted."""


_RTP_HEADER = 12

_TAIL = 64 * 1024
"""Bytes of 0.2 s of a 2.6 Mb/s stream."""


def media_only(records: Iterable[Record], on: str) -> list[Record]:
    """Of what a peer of the socket `on` was sent: packets of RTP; the payload of an SRT connection or a transport stream,
    as if it were a stream of bytes, and of an encrypted one how much that was.
    """
    reduce = _REDUCED.get(on.rpartition("-")[2], _whole)
    kept = []
    for record in records:
        made = reduce(record) if record.kind == "sent" else record
        if made is not None:
            kept.append(made)
    return kept


def without_tail(ours: list[Record], theirs: list[Record]) -> tuple[list[Record], list[Record]]:
    """Both as long as the shorter: how much had left when a peer went away is the machine's affair, within `_TAIL`."""
    sizes = [sum(len(record.data or b"") for record in each if record.kind == "out") for each in (ours, theirs)]
    surplus = sizes[0] - sizes[1]
    if not 0 < abs(surplus) <= _TAIL:
        return ours, theirs
    return (_cut(ours, surplus), theirs) if surplus > 0 else (ours, _cut(theirs, -surplus))


def _cut(records: list[Record], surplus: int) -> list[Record]:
    kept = list(records)
    for index in reversed(range(len(kept))):
        data = kept[index].data or b""
        if kept[index].kind == "out" and surplus:
            taken = min(surplus, len(data))
            kept[index] = replace(kept[index], data=data[: len(data) - taken])
            surplus -= taken
    return kept


def sockets_of(records: Iterable[Record]) -> dict[str, str]:
    """On which datagram socket each peer is, by its name."""
    return {record.who: record.fields["on"] for record in records if record.kind == "open" and record.get("udp")}


def _whole(record: Record) -> Record | None:
    return record


def _of_srt(record: Record) -> Record | None:
    data = record.data
    if data is None or len(data) < HEADER_SIZE:
        return None
    first, second, _, _ = HEADER.unpack_from(data)
    if first >= CONTROL_BIT or second & RETRANSMITTED:
        return None
    payload = bytes(len(data) - HEADER_SIZE) if second & _KEYS else data[HEADER_SIZE:]
    return Record(record.at, "out", record.fields, payload, record.line)


def _of_feed(record: Record) -> Record | None:
    """A transport stream, as if it were one of bytes: frames that came together leave together."""
    return Record(record.at, "out", record.fields, record.data, record.line)


def _in_rtp(record: Record) -> Record | None:
    """The same in RTP, whose headers have the time at which they left (RFC 2250 section 2)."""
    return _of_feed(replace(record, data=record.data[_RTP_HEADER:])) if record.data is not None else None


def _nothing(_record: Record) -> Record | None:
    return None


_REDUCED: Mapping[str, Callable[[Record], Record | None]] = {
    "srt": _of_srt,
    "rtcp": _nothing,
    "udp": _of_feed,
    "ts": _in_rtp,
}
