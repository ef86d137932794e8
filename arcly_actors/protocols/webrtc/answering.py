"""Writing the answer to an offer: the sections in the offer's order, each with what was agreed for it.

The credentials stand in every section and the candidates in the first that is taken: some clients read whatever comes
first, others look in the section that they care about.
"""

from collections.abc import Sequence

from arcly_actors.protocols.webrtc.agreement import AgreedMedia, LocalParameters
from arcly_actors.protocols.webrtc.description import Media, Setup
from arcly_actors.protocols.webrtc.sdp import Attribute, Section, SessionDescription, find

ICE_OPTIONS = "trickle ice2"
_DISCARD_PORT = 9  # RFC 8840 §4.1.1: the address comes from ICE


def write_answer(
    offer: SessionDescription,
    offered: Sequence[Media],
    agreed: Sequence[AgreedMedia],
    local: LocalParameters,
    *,
    active: bool,
) -> SessionDescription:
    """The whole answer. `active`: we start DTLS."""
    taken = [media.mid for media in agreed if not media.rejected and media.mid]
    session: list[Attribute] = [("group", " ".join(["BUNDLE", *taken]))] if taken else []
    if find(offer.attributes, "extmap-allow-mixed") is not None:
        session.append(("extmap-allow-mixed", ""))
    session += [("ice-lite", ""), ("ice-options", ICE_OPTIONS)]
    transport = transport_attributes(local, Setup.ACTIVE if active else Setup.PASSIVE)
    candidates = candidate_attributes(local)
    sections = []
    for section, offers, media in zip(offer.sections, offered, agreed, strict=True):
        if media.rejected:
            mid = (("mid", media.mid),) if media.mid else ()
            sections.append(Section(section.kind, 0, section.protocol, section.formats, mid))
            continue
        sections.append(_section(section, offers, media, local, (*transport, *candidates)))
        candidates = ()
    return SessionDescription(tuple(session), tuple(sections), str(local.session_id))


def transport_attributes(local: LocalParameters, setup: Setup) -> tuple[Attribute, ...]:
    """ICE credentials and the certificate's fingerprint."""
    hashed = f"{local.fingerprint.algorithm} {local.fingerprint.value}"
    return (("ice-ufrag", local.ufrag), ("ice-pwd", local.pwd), ("fingerprint", hashed), ("setup", setup.value))


def candidate_attributes(local: LocalParameters) -> tuple[Attribute, ...]:
    """All of our candidates; there are never more (RFC 9725 §4.3.2)."""
    return (*(("candidate", candidate.text) for candidate in local.candidates), ("end-of-candidates", ""))


def sent_attributes(media: AgreedMedia, cname: str) -> tuple[Attribute, ...]:
    """Names and SSRCs of what is sent in a section (RFC 8830, RFC 5576)."""
    if not media.direction.sends:
        return ()
    name = f"{media.stream_id or '-'} {media.kind}{media.mid}"
    lines: list[Attribute] = [("msid", name)]
    lines += [("ssrc-group", f"FID {ssrc} {repair}") for ssrc, repair in media.repairs.items()]
    for ssrc in media.ssrcs:
        lines += [("ssrc", f"{ssrc} cname:{cname}"), ("ssrc", f"{ssrc} msid:{name}")]
    return tuple(lines)


def _section(
    section: Section, offers: Media, media: AgreedMedia, local: LocalParameters, transport: tuple[Attribute, ...]
) -> Section:
    chosen = media.format or offers.formats[0]
    attributes: list[Attribute] = [*transport]
    if media.mid:
        attributes.append(("mid", media.mid))
    for uri, number in media.extensions.items():
        attributes.append(("extmap", f"{number}{offers.extensions[uri][1]} {uri}"))
    if section.find("extmap-allow-mixed") is not None:
        attributes.append(("extmap-allow-mixed", ""))
    attributes += [(media.direction.value, ""), ("rtcp-mux", ""), ("rtcp-mux-only", "")]
    if offers.reduced_size:
        attributes.append(("rtcp-rsize", ""))
    attributes += [*chosen.attributes(), *sent_attributes(media, local.cname)]
    if media.rids:
        attributes += [("rid", f"{rid} recv") for rid in media.rids]
        attributes.append(("simulcast", f"recv {';'.join(media.rids)}"))
    return Section(section.kind, _DISCARD_PORT, section.protocol, chosen.numbers(), tuple(attributes))
