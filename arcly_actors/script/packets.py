"""RTP and RTCP packets of scripts: which of them ask for something, and what of them tells when they were made."""

from dataclasses import replace

from arcly_actors.errors import PeerViolation
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli
from arcly_actors.script.record import Record


def asks(data: bytes | None) -> str:
    """What RTCP asks its receiver for: ``PLI``, ``FIR``, ``NACK 3`` (packets); empty for none of these."""
    try:
        packets = rtcp.parse(data or b"")
    except PeerViolation:
        return ""
    lost = sum(len(each.sequences) for each in packets if isinstance(each, Nack))
    words = ["PLI" for each in packets if isinstance(each, Pli)] + ["FIR" for each in packets if isinstance(each, Fir)]
    return " ".join([*dict.fromkeys(words), *([f"NACK {lost}"] if lost else [])])


def timeless(record: Record) -> Record | None:
    """A packet that a recorded engine sent, as a replay has to send it whatever delays the machine had; None for none.

    Of RTP all but its header extension, which says when it left; of RTCP the requests for keyframes.
    """
    data = record.data or b""
    if record.kind == "rtp-out":
        return replace(record, data=_without_extension(data))
    keyframes = [word for word in asks(data).split() if word in ("PLI", "FIR")]
    return Record(record.at, record.kind, {"who": record.who, "asks": " ".join(keyframes)}) if keyframes else None


def _without_extension(data: bytes) -> bytes:
    try:
        parsed = rtp.parse(data)
    except PeerViolation:
        return data
    return rtp.build(parsed._replace(extensions=()))
