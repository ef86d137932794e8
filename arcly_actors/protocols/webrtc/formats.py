"""The payload formats of a section: what its rtpmap, fmtp and rtcp-fb lines say together (RFC 8866 §6.6, RFC 4585)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from arcly_actors.errors import Malformed
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.webrtc.sdp import Attribute, Section, nothing, unsigned

FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
"""The rtcp-fb that is understood, in the order that browsers write it."""

_CODECS: Mapping[tuple[str, int, int], CodecId] = MappingProxyType(
    {
        ("h264", 90000, 1): CodecId.H264,
        ("h265", 90000, 1): CodecId.H265,
        ("av1", 90000, 1): CodecId.AV1,
        ("vp8", 90000, 1): CodecId.VP8,
        ("vp9", 90000, 1): CodecId.VP9,
        ("opus", 48000, 2): CodecId.OPUS,
        ("opus", 48000, 1): CodecId.OPUS,  # not as RFC 7587 §7 wants it, yet there is no other Opus
        ("pcma", 8000, 1): CodecId.PCMA,
        ("pcmu", 8000, 1): CodecId.PCMU,
        ("g722", 8000, 1): CodecId.G722,
    }
)
_NAMES: Mapping[CodecId, str] = MappingProxyType(
    {
        CodecId.H264: "H264/90000",
        CodecId.H265: "H265/90000",
        CodecId.AV1: "AV1/90000",
        CodecId.VP8: "VP8/90000",
        CodecId.VP9: "VP9/90000",
        CodecId.OPUS: "opus/48000/2",
        CodecId.PCMA: "PCMA/8000",
        CodecId.PCMU: "PCMU/8000",
        CodecId.G722: "G722/8000",
    }
)
CODECS = tuple(_NAMES)
"""What WebRTC can carry here."""

_STATIC = MappingProxyType({"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"})  # RFC 3551 §6


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One payload type of a codec we know; `rtx` is the payload type of its retransmissions (RFC 4588), if any."""

    payload_type: int
    codec: CodecId
    parameters: Mapping[str, str] = field(default_factory=nothing)
    feedback: tuple[str, ...] = ()
    rtx: int | None = None

    @property
    def clock_rate(self) -> int:
        """RTP ticks a second."""
        return int(_NAMES[self.codec].split("/")[1])

    def attributes(self) -> tuple[Attribute, ...]:
        """The lines that describe it."""
        number = self.payload_type
        lines = [("rtpmap", f"{number} {_NAMES[self.codec]}")]
        lines += [("rtcp-fb", f"{number} {kind}") for kind in self.feedback]
        if self.parameters:
            lines.append(("fmtp", f"{number} {write_parameters(self.parameters)}"))
        if self.rtx is not None:
            lines += [("rtpmap", f"{self.rtx} rtx/{self.clock_rate}"), ("fmtp", f"{self.rtx} apt={number}")]
        return tuple(lines)

    def numbers(self) -> tuple[str, ...]:
        """Its payload types as the m-line lists them."""
        return (str(self.payload_type), *(() if self.rtx is None else (str(self.rtx),)))


def names(codecs: Iterable[CodecId]) -> str:
    """Codecs for a person, by the names that SDP has for them."""
    return ", ".join(_NAMES[codec].partition("/")[0] if codec in _NAMES else codec.value for codec in codecs)


def offered_names(section: Section) -> str:
    """Everything that a section offers, by name, for a person."""
    maps = _by_number(section, "rtpmap")
    found = (maps.get(number, _STATIC.get(number, number)).partition("/")[0] for number in section.formats)
    return ", ".join(dict.fromkeys(name[:20] for name in found if name.lower() not in {"rtx", "red", "ulpfec"}))


def read_formats(section: Section) -> tuple[PayloadFormat, ...]:
    """The formats of codecs that we know, most wanted first as the m-line has them; `Malformed` on nonsense."""
    maps = _by_number(section, "rtpmap")
    parameters = {number: read_parameters(text) for number, text in _by_number(section, "fmtp").items()}
    feedback = _feedback(section)
    repairs = {
        parameters.get(number, {}).get("apt", ""): unsigned(number, 127, "payload type")
        for number, encoding in maps.items()
        if encoding.lower().startswith("rtx/") and number in section.formats
    }
    found = []
    for number in dict.fromkeys(section.formats):
        codec = _codec(maps.get(number, _STATIC.get(number, "")))
        if codec is None:
            continue
        kinds = (*feedback.get("*", ()), *feedback.get(number, ()))
        known = tuple(kind for kind in FEEDBACK if kind in kinds)
        payload_type = unsigned(number, 127, "payload type")
        found.append(PayloadFormat(payload_type, codec, parameters.get(number, {}), known, repairs.get(number)))
    return tuple(found)


def read_parameters(text: str) -> dict[str, str]:
    """``key=value; key=value`` with names in lower case; a word alone has an empty value."""
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs if key.strip()}


def write_parameters(parameters: Mapping[str, str]) -> str:
    """The text of an fmtp line."""
    return ";".join(f"{key}={value}" if value else key for key, value in parameters.items())


def _by_number(section: Section, name: str) -> dict[str, str]:
    """``number rest`` attributes by number, the first of each; `Malformed` without a rest."""
    found: dict[str, str] = {}
    for value in section.every(name):
        number, _, rest = value.partition(" ")
        if not rest:
            raise Malformed(f"a={name} says nothing: {value[:40]!r}")
        found.setdefault(number, rest.strip())
    return found


def _feedback(section: Section) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in section.every("rtcp-fb"):
        number, _, kind = value.partition(" ")
        found.setdefault(number, []).append(" ".join(kind.lower().split()))
    return found


def _codec(encoding: str) -> CodecId | None:
    name, _, rest = encoding.lower().partition("/")
    rate, _, channels = rest.partition("/")
    if not (rate.isascii() and rate.isdecimal() and (channels or "1") in {"1", "2"}):
        return None
    return _CODECS.get((name, int(rate[:9]), int(channels or 1)))
