"""The client's side: making an offer and reading its answer, for push sinks and for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from arcly_actors.errors import Malformed
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, LocalParameters, Negotiation
from arcly_actors.protocols.webrtc.answering import (
    ICE_OPTIONS,
    candidate_attributes,
    sent_attributes,
    transport_attributes,
)
from arcly_actors.protocols.webrtc.description import Direction, Media, Setup, read_media, read_peer
from arcly_actors.protocols.webrtc.formats import PayloadFormat
from arcly_actors.protocols.webrtc.sdp import Attribute, Section, SessionDescription, nothing, parse

_REVERSED = MappingProxyType({Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY})


@dataclass(frozen=True, slots=True)
class Offering:
    """One section to offer; its mid is its number. `ssrc` and `rtx_ssrc` are of what we send, 0 for none."""

    kind: str
    direction: Direction
    formats: tuple[PayloadFormat, ...]
    extensions: Mapping[str, int] = field(default_factory=nothing)
    ssrc: int = 0
    rtx_ssrc: int = 0
    stream_id: str = "arcly"


def write_offer(
    local: LocalParameters, offerings: Sequence[Offering], setup: Setup = Setup.ACTPASS
) -> SessionDescription:
    """An offer of all sections on one transport, with all of our candidates (RFC 9725 §4.2)."""
    group = " ".join(["BUNDLE", *(str(number) for number in range(len(offerings)))])
    session = (("group", group), ("extmap-allow-mixed", ""), ("ice-options", ICE_OPTIONS))
    transport = transport_attributes(local, setup)
    sections = []
    for number, offering in enumerate(offerings):
        candidates = () if number else candidate_attributes(local)
        attributes = (*transport, *candidates, *_attributes(offering, str(number), local.cname))
        numbers = tuple(text for each in offering.formats for text in each.numbers())
        sections.append(Section(offering.kind, 9, "UDP/TLS/RTP/SAVPF", numbers, attributes))
    return SessionDescription(session, tuple(sections), str(local.session_id))


def _attributes(offering: Offering, mid: str, cname: str) -> tuple[Attribute, ...]:
    lines: list[Attribute] = [("mid", mid)]
    lines += [("extmap", f"{number} {uri}") for uri, number in offering.extensions.items()]
    lines += [(offering.direction.value, ""), ("rtcp-mux", ""), ("rtcp-mux-only", ""), ("rtcp-rsize", "")]
    for each in offering.formats:
        lines += each.attributes()
    ssrcs = tuple(ssrc for ssrc in (offering.ssrc, offering.rtx_ssrc) if ssrc)
    repairs = {offering.ssrc: offering.rtx_ssrc} if offering.rtx_ssrc else {}
    sent = AgreedMedia(mid, offering.kind, offering.direction, ssrcs=ssrcs, repairs=repairs, stream_id=offering.stream_id)
    return (*lines, *sent_attributes(sent, cname))


def read_answer(text: str, offer: SessionDescription) -> Negotiation:
    """What a server answered to our offer. `Malformed` when it is no answer to it."""
    answer = parse(text)
    peer, answered = read_peer(answer), read_media(answer)
    same = [(section.kind, section.find("mid") or "") for section in offer.sections]
    if [(media.kind, media.mid) for media in answered] != same:
        raise Malformed("the answer has other sections than the offer")
    if peer.setup is Setup.ACTPASS:
        raise Malformed("the answer does not say who starts DTLS (a=setup:active or passive)")
    agreed = tuple(_agreed(media, ours) for media, ours in zip(answered, read_media(offer), strict=True))
    return Negotiation(answer, peer, agreed, active=peer.setup is Setup.PASSIVE)


def _agreed(answered: Media, ours: Media) -> AgreedMedia:
    """A section as both have it; formats of the answer that were not offered do not count."""
    numbers = {each.payload_type for each in ours.formats}
    chosen = next((each for each in answered.formats if each.payload_type in numbers), None)
    idle = answered.rejected or chosen is None or answered.direction is Direction.INACTIVE
    sends = ours.direction is Direction.SENDONLY
    return AgreedMedia(
        answered.mid,
        answered.kind,
        Direction.INACTIVE if idle else _REVERSED.get(answered.direction, ours.direction),
        None if idle else chosen,
        MappingProxyType({uri: number for uri, (number, _) in answered.extensions.items()}),
        ours.ssrcs if sends else answered.ssrcs,
        ours.repairs if sends else answered.repairs,
        rejected=answered.rejected,
    )
