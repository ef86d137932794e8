"""The Transport header (RFC 2326 §12.39): how the packets of one track travel."""

import re
from dataclasses import dataclass
from enum import StrEnum

from arcly_actors.errors import Malformed

_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_OFFERED = 16
Pair = tuple[int, int]
"""RTP and RTCP: two channels, or two ports."""


class Lower(StrEnum):
    """What carries RTP."""

    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Transport:
    """One transport specification. Ports and channels come as pairs for RTP and RTCP; None where it does not say.

    `ssrc` is that of the sender's packets. `usable` is False for what nobody here speaks (multicast, SRTP, others).
    """

    lower: Lower
    usable: bool = True
    channels: Pair | None = None
    client_ports: Pair | None = None
    server_ports: Pair | None = None
    ssrc: int | None = None
    source: str = ""
    record: bool = False

    def __str__(self) -> str:
        parts = ["RTP/AVP/TCP" if self.lower is Lower.TCP else "RTP/AVP", "unicast"]
        pairs = (("interleaved", self.channels), ("client_port", self.client_ports), ("server_port", self.server_ports))
        parts += [f"{name}={pair[0]}-{pair[1]}" for name, pair in pairs if pair is not None]
        if self.ssrc is not None:
            parts.append(f"ssrc={self.ssrc:08X}")
        if self.record:
            parts.append("mode=record")
        return ";".join(parts)


def parse(text: str) -> tuple[Transport, ...]:
    """The specifications of a Transport header in the order of preference. `Malformed` when there is none."""
    specs = [part.strip() for part in text.split(",")]
    found = tuple(_spec(part) for part in specs[:_OFFERED] if part)
    if not found:
        raise Malformed("an empty Transport header", code=400)
    return found


def _spec(text: str) -> Transport:
    protocol, *rest = [part.strip() for part in text.split(";")]
    names = protocol.upper().split("/")
    lower = Lower.TCP if names[2:] == ["TCP"] else Lower.UDP
    usable = names[:2] == ["RTP", "AVP"] and names[2:] in ([], ["UDP"], ["TCP"])
    values = {name.strip().lower(): value.strip().strip('"') for name, _, value in (part.partition("=") for part in rest)}
    return Transport(
        lower,
        usable and "multicast" not in values,
        _pair(values.get("interleaved"), 255),
        _pair(values.get("client_port"), 65535),
        _pair(values.get("server_port"), 65535),
        _ssrc(values.get("ssrc", "")),
        values.get("source", ""),
        values.get("mode", "").lower() in {"record", "receive"},
    )


def _pair(text: str | None, most: int) -> Pair | None:
    """Two numbers; of one alone the other is the next."""
    if text is None:
        return None
    found = _PAIR.fullmatch(text.replace(" ", ""))
    if found is None:
        raise Malformed(f"neither a port nor a channel: {text[:40]!r}", code=400)
    first = int(found[1])
    second = int(found[2]) if found[2] else first + 1
    if max(first, second) > most:
        raise Malformed(f"{text[:40]!r} goes beyond {most}", code=400)
    return first, second


def _ssrc(text: str) -> int | None:
    """Eight hexadecimal digits; devices also write fewer, or a 0x before them."""
    text = text.lower().removeprefix("0x")
    return int(text, 16) if 0 < len(text) <= 8 and not set(text) - set("0123456789abcdef") else None
