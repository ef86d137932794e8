"""What a push offers of a stream, and what of it the server takes (RFC 9725 §4.2: each section sends)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from arcly_actors.errors import Refusal, Refused
from arcly_actors.media import av1, avc, hevc, vp9
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, LocalParameters, Negotiation, Outgoing, Play
from arcly_actors.protocols.webrtc.description import Direction, Media, read_media
from arcly_actors.protocols.webrtc.formats import CODECS, PayloadFormat, names
from arcly_actors.protocols.webrtc.h264_profile import Profile, ProfileLevel
from arcly_actors.protocols.webrtc.offer import Offering, read_answer, write_offer
from arcly_actors.protocols.webrtc.sdp import SessionDescription, parse

Parameters = Mapping[str, str]

_FIRST_DYNAMIC = 96  # RFC 3551 §6
_STATIC = MappingProxyType({CodecId.PCMU: 0, CodecId.PCMA: 8, CodecId.G722: 9})
_SOUND_ELEMENTS = MappingProxyType({extensions.MID: 1, extensions.ABS_SEND_TIME: 2})
_PICTURE_ELEMENTS = MappingProxyType({**_SOUND_ELEMENTS, extensions.COLOR_SPACE: 3})
_BASELINE = ProfileLevel(0x42, 0xE0, 0x1F)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was agreed; `refused` are the codecs of the tracks that the server does not take, empty when it takes all."""

    negotiation: Negotiation
    refused: tuple[CodecId, ...] = ()

    @property
    def note(self) -> str:
        """The same for a person."""
        return f"without {names(self.refused)}, which the target does not take" if self.refused else ""


def push_offer(wants: Play, local: LocalParameters) -> SessionDescription:
    """An offer of these tracks; `Refused` when there is none that WebRTC carries."""
    tracks = [each for each in wants.tracks if each.track.codec in CODECS]
    if not tracks:
        raise Refused(Refusal.UNSUPPORTED, "the stream has nothing that WebRTC carries")
    offerings, number = [], _FIRST_DYNAMIC
    for each in tracks:
        formats = _formats(each, number, wants.feedback)
        number += 2 * len(formats)
        picture = each.track.kind is Kind.VIDEO
        offerings.append(
            Offering(
                each.track.kind.value,
                Direction.SENDONLY,
                formats,
                _PICTURE_ELEMENTS if picture else _SOUND_ELEMENTS,
                each.ssrc,
                each.rtx_ssrc if picture else 0,
                wants.stream_id,
            )
        )
    return write_offer(local, offerings)


def push_answer(text: str, offer: SessionDescription, wants: Play) -> Taken:
    """What a server takes of a `push_offer`. `PeerViolation`: it is no answer to it; `Refused`: it takes nothing."""
    tracks = [each for each in wants.tracks if each.track.codec in CODECS]
    if not any(section.port for section in parse(text).sections):  # then it need not say who it is, either
        raise _nothing_taken(tracks)
    negotiation = read_answer(text, offer)
    answered = read_media(negotiation.answer)
    media = tuple(
        _taken(agreed, ours, theirs, outgoing)
        for agreed, ours, theirs, outgoing in zip(negotiation.media, read_media(offer), answered, tracks, strict=True)
    )
    flowing = [each for each in media if each.outgoing is not None]
    refused = tuple(outgoing.track.codec for each, outgoing in zip(media, tracks, strict=True) if each.outgoing is None)
    if not flowing:
        raise _nothing_taken(tracks)
    bundled = {theirs.mid for theirs in answered if theirs.bundled}
    if len(flowing) > 1 and not bundled.issuperset(each.mid for each in flowing):
        raise Refused(Refusal.UNSUPPORTED, "the answer does not bundle its media on one transport")
    return Taken(replace(negotiation, media=media), refused)


def _nothing_taken(tracks: Sequence[Outgoing]) -> Refused:
    have = names(each.track.codec for each in tracks)
    return Refused(Refusal.UNSUPPORTED, f"the target takes none of the stream's tracks ({have})")


def _taken(agreed: AgreedMedia, ours: Media, theirs: Media, outgoing: Outgoing) -> AgreedMedia:
    """The section as we send it: with what both ends said of its format and of its header extensions."""
    chosen = agreed.format
    offered = next((each for each in ours.formats if chosen and each.payload_type == chosen.payload_type), None)
    if chosen is None or offered is None or chosen.codec is not offered.codec or not agreed.direction.sends:
        return replace(agreed, direction=Direction.INACTIVE, format=None, outgoing=None)
    repaired = offered.rtx is not None and chosen.rtx == offered.rtx
    ids = {uri: number for uri, (number, _) in ours.extensions.items() if agreed.extensions.get(uri) == number}
    return replace(
        agreed,
        format=replace(chosen, rtx=offered.rtx if repaired else None),
        extensions=MappingProxyType(ids),
        repairs=agreed.repairs if repaired else MappingProxyType({}),
        outgoing=outgoing,
        mixed=theirs.mixed,
    )


def _formats(outgoing: Outgoing, number: int, feedback: Sequence[str]) -> tuple[PayloadFormat, ...]:
    """The ways in which a track is offered, dearest first, with payload types from `number` on."""
    track = outgoing.track
    static = _STATIC.get(track.codec)
    if static is not None:
        return (PayloadFormat(static, track.codec),)
    picture = track.kind is Kind.VIDEO
    found = []
    for parameters in _PARAMETERS[track.codec](track):
        rtx = number + 1 if picture and outgoing.rtx_ssrc else None
        found.append(PayloadFormat(number, track.codec, parameters, tuple(feedback) if picture else (), rtx))
        number += 2
    return tuple(found)


def _h264(track: Track) -> tuple[Parameters, ...]:
    """The stream's own profile, and constrained baseline: many servers name only that, and pass everything on."""
    stream = _BASELINE
    if track.configuration:
        configuration = avc.read_configuration(track.configuration)
        stream = ProfileLevel(configuration.profile, configuration.compatibility, configuration.level)
    profiles = (stream,) if stream.profile is Profile.CONSTRAINED_BASELINE else (stream, _BASELINE)
    return tuple(
        MappingProxyType({"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": profile.text})
        for profile in profiles
    )


def _h265(track: Track) -> tuple[Parameters, ...]:
    """RFC 7798 §7.1."""
    if not track.configuration:
        return (MappingProxyType({"tx-mode": "SRST"}),)
    general = hevc.read_configuration(track.configuration).general
    told = {"profile-id": general[0] & 0x1F, "tier-flag": general[0] >> 5 & 1, "level-id": general[11]}
    return (MappingProxyType({**{name: str(value) for name, value in told.items()}, "tx-mode": "SRST"}),)


def _vp9(track: Track) -> tuple[Parameters, ...]:
    """RFC 9628 §6."""
    profile = vp9.read_configuration(track.configuration).profile if track.configuration else 0
    return (MappingProxyType({"profile-id": str(profile)}),)


def _av1(track: Track) -> tuple[Parameters, ...]:
    """AV1 RTP §7.2.1."""
    sequence = av1.read_configuration(track.configuration) if track.configuration else None
    if sequence is None:
        return (MappingProxyType({}),)
    told = {"profile": sequence.profile, "level-idx": sequence.level, "tier": sequence.tier}
    return (MappingProxyType({name: str(value) for name, value in told.items()}),)


def _opus(track: Track) -> tuple[Parameters, ...]:
    """RFC 7587 §7: `stereo` is what we would take, `sprop-stereo` what we send; servers look at either."""
    stereo = {"stereo": "1", "sprop-stereo": "1"} if track.channels > 1 else {}
    return (MappingProxyType({"minptime": "10", "useinbandfec": "1", **stereo}),)


def _plain(_track: Track) -> tuple[Parameters, ...]:
    return (MappingProxyType({}),)


_PARAMETERS: Mapping[CodecId, Callable[[Track], tuple[Parameters, ...]]] = MappingProxyType(
    {
        CodecId.H264: _h264,
        CodecId.H265: _h265,
        CodecId.VP9: _vp9,
        CodecId.AV1: _av1,
        CodecId.VP8: _plain,
        CodecId.OPUS: _opus,
    }
)
