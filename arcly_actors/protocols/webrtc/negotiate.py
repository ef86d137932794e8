"""Answering an offer (RFC 3264, RFC 9429 §5.3.1): for a publisher (WHIP) or a player (WHEP).

Everything is on one transport (BUNDLE, rtcp-mux); we are ICE-lite and take the passive part in DTLS unless the peer does.
An offer that cannot be used as a whole is refused, never half taken (RFC 9725 §4.4.3); only what is no media of ours
(data channels) is rejected alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, Refusal, Refused
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.webrtc import extensions, matching
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, LocalParameters, Negotiation, Outgoing, Play, Publish
from arcly_actors.protocols.webrtc.answering import write_answer
from arcly_actors.protocols.webrtc.description import Direction, Media, Setup, bundle, read_media, read_peer
from arcly_actors.protocols.webrtc.formats import PayloadFormat, names, offered_names
from arcly_actors.protocols.webrtc.sdp import Section, SessionDescription, parse

_SENT = frozenset({extensions.MID, extensions.ABS_SEND_TIME, extensions.COLOR_SPACE, extensions.TRANSPORT_CC})
_SIMULCAST_NEEDS = frozenset({extensions.MID, extensions.RID})


def answer(text: str, wants: Publish | Play, local: LocalParameters) -> Negotiation:
    """Answer an offer. `Malformed`, `PeerLimit`: it is none; `Refused`: it offers nothing that can be used, and why."""
    offer = parse(text)
    peer, offered = read_peer(offer), read_media(offer)
    if peer.lite:
        raise Refused(Refusal.UNSUPPORTED, "both ends are ICE-lite, so nobody would begin (RFC 8445 §6.1.1)")
    _check_bundle(offer, offered)
    media = _publish(offer, offered, wants) if isinstance(wants, Publish) else _play(offer, offered, wants)
    active = peer.setup is Setup.PASSIVE
    return Negotiation(write_answer(offer, offered, media, local, active=active), peer, media, active)


def _wanted(media: Media) -> bool:
    return not media.rejected and media.kind in {"audio", "video"}


def _check_bundle(offer: SessionDescription, offered: Sequence[Media]) -> None:
    """All of it on one transport with RTCP beside RTP (RFC 9725 §4.4.1); a single section needs no group."""
    wanted = [(section, media) for section, media in zip(offer.sections, offered, strict=True) if _wanted(media)]
    if not wanted:
        raise Refused(Refusal.UNSUPPORTED, "the offer has no audio or video")
    group = bundle(offer)
    if len(wanted) > 1 and not all(media.bundled for _, media in wanted):
        raise Refused(Refusal.UNSUPPORTED, "the offer does not bundle its media (a=group:BUNDLE with every mid)")
    if group and len(set(group)) != len(group):
        raise Malformed("a=group:BUNDLE names a section twice")
    # A bundle-only section inherits what the tagged one says (RFC 9143 §7.1.3).
    tagged = next((section for section, media in wanted if group and media.mid == group[0]), wanted[0][0])
    if tagged.find("rtcp-mux") is None and tagged.find("rtcp-mux-only") is None:
        raise Refused(Refusal.UNSUPPORTED, "the offer does not put RTCP beside RTP (a=rtcp-mux)")


def _publish(offer: SessionDescription, offered: Sequence[Media], wants: Publish) -> tuple[AgreedMedia, ...]:
    pairs = list(zip(offer.sections, offered, strict=True))
    media = tuple(_take(section, each, wants) for section, each in pairs)
    flowing = [each for each in media if each.format is not None]
    if not flowing:
        raise Refused(Refusal.UNSUPPORTED, "the offer sends nothing (a=sendonly or a=sendrecv)")
    if len(flowing) > limits.MAX_TRACKS:
        raise Refused(Refusal.UNSUPPORTED, f"{len(flowing)} tracks, {limits.MAX_TRACKS} is the most")
    return media


def _take(section: Section, media: Media, wants: Publish) -> AgreedMedia:
    """A section to receive; `Refused` when the peer sends only what we do not take."""
    if not _wanted(media):
        return AgreedMedia(media.mid, media.kind, Direction.INACTIVE, rejected=True)
    if not media.direction.sends:
        return _idle(section, media)
    codecs = tuple(codec for codec in wants.codecs if codec.kind.value == media.kind)
    choice = matching.to_receive(media.formats, codecs, ours_first=wants.ours_first)
    if choice is None:
        have = offered_names(section) or "nothing known"
        would = names(codecs) or f"no {media.kind} at all"
        raise Refused(Refusal.UNSUPPORTED, f"the offer's {media.kind} is {have}; {would} would do")
    agreed, ids = _with_feedback(choice.format, media, wants.feedback)
    simulcast = wants.simulcast and ids.keys() >= _SIMULCAST_NEEDS
    return AgreedMedia(
        media.mid,
        media.kind,
        Direction.RECVONLY,
        agreed,
        ids,
        media.ssrcs,
        media.repairs,
        media.rids if simulcast else (),
    )


def _play(offer: SessionDescription, offered: Sequence[Media], wants: Play) -> tuple[AgreedMedia, ...]:
    waiting = list(wants.tracks)
    pairs = zip(offer.sections, offered, strict=True)
    media = tuple(_give(section, each, waiting, wants) for section, each in pairs)
    if not any(each.format is not None and each.outgoing for each in media):
        have = names(each.track.codec for each in wants.tracks)
        raise Refused(Refusal.UNSUPPORTED, f"the offer receives nothing that the stream has ({have or 'no tracks'})")
    return media


def _give(section: Section, media: Media, waiting: list[Outgoing], wants: Play) -> AgreedMedia:
    """A section with the first track left of its kind; `Refused` when the peer cannot receive that track's codec."""
    if not _wanted(media):
        return AgreedMedia(media.mid, media.kind, Direction.INACTIVE, rejected=True)
    kind = Kind(media.kind)
    candidates = [each for each in waiting if each.track.kind is kind]
    if not media.direction.receives or not candidates:
        return _idle(section, media)
    choices = ((each, matching.to_send(media.formats, each.track)) for each in candidates)
    outgoing, choice = next(((each, found) for each, found in choices if found is not None), (None, None))
    if outgoing is None or choice is None:
        have = names(dict.fromkeys(each.track.codec for each in candidates))
        raise Refused(
            Refusal.UNSUPPORTED, f"the stream's {kind.value} is {have}; the offer takes {offered_names(section)}"
        )
    waiting.remove(outgoing)
    agreed, every = _with_feedback(choice.format, media, wants.feedback)
    ids = MappingProxyType({uri: number for uri, number in every.items() if uri in _SENT})
    repairs = {outgoing.ssrc: outgoing.rtx_ssrc} if outgoing.rtx_ssrc and choice.format.rtx is not None else {}
    return AgreedMedia(
        media.mid,
        media.kind,
        Direction.SENDONLY,
        agreed,
        ids,
        (outgoing.ssrc, *repairs.values()),
        MappingProxyType(repairs),
        outgoing=outgoing,
        stream_id=wants.stream_id,
        promised=choice.promised,
        mixed=media.mixed,
    )


def _idle(section: Section, media: Media) -> AgreedMedia:
    """Nothing flows; the answer still has to name a format of the offer, so without one we know it is rejected."""
    spare = media.formats[0] if media.formats else None
    return AgreedMedia(media.mid, media.kind, Direction.INACTIVE, rejected=spare is None)


def _with_feedback(
    offered: PayloadFormat, media: Media, able: tuple[str, ...]
) -> tuple[PayloadFormat, Mapping[str, int]]:
    """The format with the feedback of both ends, and the ids; transport-cc and its extension need each other."""
    kinds = [kind for kind in offered.feedback if kind in able]
    ids = {uri: number for uri, (number, _) in media.extensions.items()}
    if "transport-cc" not in kinds or extensions.TRANSPORT_CC not in ids:
        kinds = [kind for kind in kinds if kind != "transport-cc"]
        ids.pop(extensions.TRANSPORT_CC, None)
    return replace(offered, feedback=tuple(kinds)), MappingProxyType(ids)
