"""RTP header extensions: the one- and two-byte forms (RFC 8285 §4.2, §4.3) and the elements that are used here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.timebase import SECOND

ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000
Element = tuple[int, bytes]
COLOR_SPACE_BYTES = frozenset({4, 28})
"""Primaries, transfer, matrix (ISO/IEC 23091-2), range and chroma siting, a byte each; with HDR, its metadata behind."""


class ExtensionUri(StrEnum):
    """The elements that are understood, by the name that SDP gives them."""

    MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
    RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
    ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    COLOR_SPACE = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
    TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def _nothing() -> Mapping[ExtensionUri, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ExtensionMap:
    """Which local id (1-255) each extension was negotiated under; one that was not has none."""

    ids: Mapping[ExtensionUri, int] = field(default_factory=_nothing)

    def find(self, elements: Sequence[Element], uri: ExtensionUri) -> bytes | None:
        """The bytes of one element, None when it is not there."""
        wanted = self.ids.get(uri)
        if wanted is None:
            return None
        return next((value for number, value in elements if number == wanted), None)

    def text(self, elements: Sequence[Element], uri: ExtensionUri) -> str | None:
        """An SDES element (RFC 9335 §2: mid, rid) as text, None when it is not there or not ASCII."""
        value = self.find(elements, uri)
        return value.decode("ascii") if value is not None and value.isascii() else None

    def unsigned(self, elements: Sequence[Element], uri: ExtensionUri) -> int | None:
        """A numeric element (transport-wide sequence, send time), None when it is not there."""
        value = self.find(elements, uri)
        return int.from_bytes(value) if value is not None else None

    def element(self, uri: ExtensionUri, value: bytes) -> tuple[Element, ...]:
        """The element as a tuple of one, or of none when it was not negotiated."""
        number = self.ids.get(uri)
        return () if number is None else ((number, value),)


def parse(profile: int, block: bytes) -> tuple[Element, ...]:
    """The elements of an extension block; none for a profile that is not RFC 8285's (skipped, as RFC 3550 §5.3.1 says).

    `Malformed` when an element is cut, `PeerLimit` beyond `limits.RTP_EXTENSIONS`.
    """
    if profile != ONE_BYTE and profile & 0xFFF0 != TWO_BYTE:
        return ()
    short = profile == ONE_BYTE
    found: list[Element] = []
    at, end = 0, len(block)
    while at < end:
        first = block[at]
        at += 1
        if not first:
            continue  # padding
        if short:
            number, size = first >> 4, (first & 15) + 1
            if number == 15:
                break  # §4.2: what follows id 15 is ignored
            if not number:
                at += size  # id 0 with a length: ignored
                continue
        else:
            if at == end:
                raise Malformed("RTP header extension without its length")
            number, size = first, block[at]
            at += 1
        if at + size > end:
            raise Malformed(f"RTP header extension {number} ends at {at + size} of {end}")
        if len(found) == limits.RTP_EXTENSIONS:
            raise PeerLimit(f"more than {limits.RTP_EXTENSIONS} RTP header extensions")
        found.append((number, block[at : at + size]))
        at += size
    return tuple(found)


def build(elements: Sequence[Element]) -> bytes:
    """The whole extension with its 4 bytes of header, empty for no elements; one-byte form where every element fits."""
    if not elements:
        return b""
    profile, body = ONE_BYTE, b""
    for number, value in elements:
        size = len(value)
        if not (0 < number < 15 and 0 < size <= 16):
            profile = TWO_BYTE
            body = b"".join([bytes((number, len(value))) + value for number, value in elements])
            break
        body += bytes((number << 4 | size - 1,)) + value
    words = (len(body) + 3) // 4
    return profile.to_bytes(2) + words.to_bytes(2) + body.ljust(words * 4, b"\x00")


def color_space(text: str) -> bytes:
    """The colour space that `text` is the hex of; empty where it is none: applications may write metadata, too."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return b""
    return value if len(value) in COLOR_SPACE_BYTES else b""


def abs_send_time(wall: int) -> bytes:
    """Wall nanoseconds as the 24 bits of abs-send-time: 6 bits of seconds, 18 of fraction; wraps every 64 s."""
    return ((wall << 18) // SECOND & 0xFFFFFF).to_bytes(3)
