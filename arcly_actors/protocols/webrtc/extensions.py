"""RTP header extensions as SDP negotiates them (RFC 8285 §5-§7): which are understood, under which id."""

from collections.abc import Mapping
from types import MappingProxyType

from arcly_actors.errors import Malformed
from arcly_actors.protocols.webrtc.sdp import Section, unsigned

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
COLOR_SPACE = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
KNOWN = (MID, RID, REPAIRED_RID, ABS_SEND_TIME, COLOR_SPACE, TRANSPORT_CC)

_HIGHEST = 255
_ONE_BYTE_HIGHEST = 14
# How an element that the offerer only sends (or only takes) is answered.
_ANSWERED = MappingProxyType({"": "", "sendrecv": "", "sendonly": "/recvonly", "recvonly": "/sendonly"})


def offered(section: Section, *, mixed: bool) -> Mapping[str, tuple[int, str]]:
    """The elements of a section that we know: URI -> (id, its direction in the answer); `Malformed` on nonsense.

    Ids above 14 need the two-byte form, which is only sent to those that say so (``extmap-allow-mixed``).
    """
    found: dict[str, tuple[int, str]] = {}
    for value in section.every("extmap"):
        words = value.split()
        if len(words) < 2:
            raise Malformed(f"not an extension: {value[:40]!r}")
        number, _, direction = words[0].partition("/")
        identifier = unsigned(number, 4095 + 256, "extension id")
        answered = _ANSWERED.get(direction)
        highest = _HIGHEST if mixed else _ONE_BYTE_HIGHEST
        if words[1] in KNOWN and words[1] not in found and answered is not None and 1 <= identifier <= highest:
            found[words[1]] = (identifier, answered)
    return MappingProxyType(found)
