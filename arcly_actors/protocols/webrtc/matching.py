"""Which offered payload format suits: to receive a codec, or to send a certain track. One table row per codec.

Levels never refuse: receivers decode far beyond the level that they offer (Chromium offers 3.1 and plays 1080p), and a
sender may be asked for less at any time by REMB or transport-cc.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from arcly_actors.media import av1, avc, hevc, vp9
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc import h264_profile
from arcly_actors.protocols.webrtc.formats import PayloadFormat

_EXACT, _SUPERSET, _HOPEFUL, _SILENT = 0, 100, 200, 300
_H264_ECHOED = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")


@dataclass(frozen=True, slots=True)
class Choice:
    """A format with the parameters of the answer. `promised` is False when the stream's profile goes beyond what the
    peer says it decodes; browsers mostly play it all the same."""

    format: PayloadFormat
    promised: bool = True


def to_receive(offered: Sequence[PayloadFormat], codecs: Sequence[CodecId], *, ours_first: bool) -> Choice | None:
    """The format to be sent to us: in the offer's order, or in that of `codecs`; None when none of them will do."""
    usable = [(_burden(candidate), candidate) for candidate in offered if candidate.codec in codecs]
    possible = [(burden, candidate) for burden, candidate in usable if burden is not None]
    if not possible:
        return None
    wanted = min(codecs, key=lambda codec: _first(codec, possible)) if ours_first else possible[0][1].codec
    same = [pair for pair in possible if pair[1].codec is wanted]
    best = min(same, key=lambda pair: pair[0])[1]
    return Choice(replace(best, parameters=MappingProxyType(_received(best))))


def to_send(offered: Iterable[PayloadFormat], track: Track) -> Choice | None:
    """The format to send a track in: the one that promises to decode it, else the likeliest; None when none will do."""
    same = [candidate for candidate in offered if candidate.codec is track.codec]
    ranked = [(_SENT[track.codec](candidate, track), candidate) for candidate in same]
    fitting = [(rank, candidate) for rank, candidate in ranked if rank is not None]
    if not fitting:
        return None
    rank, best = min(fitting, key=lambda pair: pair[0])
    parameters = MappingProxyType(_sent(best, track))
    return Choice(replace(best, parameters=parameters), promised=rank < _HOPEFUL)


def _first(codec: CodecId, possible: list[tuple[int, PayloadFormat]]) -> int:
    return 0 if any(candidate.codec is codec for _, candidate in possible) else 1


def _burden(offered: PayloadFormat) -> int | None:
    """How much we mind receiving a format among others of its codec; None when we cannot."""
    if offered.codec is CodecId.H264:
        return {"1": 0, "0": 1}.get(offered.parameters.get("packetization-mode", "0"))
    if offered.codec is CodecId.H265:  # RFC 7798 §7.1: several streams of one layered picture are not put together here
        return 0 if offered.parameters.get("tx-mode", "SRST").upper() == "SRST" else None
    return 0


def _received(offered: PayloadFormat) -> dict[str, str]:
    """The fmtp of an answer that receives: we decode nothing, so what was offered suits us."""
    if offered.codec is CodecId.OPUS:  # RFC 7587 §7.1: stereo=1 is what makes a browser send both channels
        return {"minptime": "10", "useinbandfec": "1", "stereo": "1"}
    # Parameter sets are about what the offerer sends, not about what we do (RFC 6184 §8.2.2, RFC 7798 §7.2.2).
    return {key: value for key, value in offered.parameters.items() if not key.startswith("sprop-")}


def _sent(offered: PayloadFormat, track: Track) -> dict[str, str]:
    """The fmtp of an answer that sends."""
    if offered.codec is CodecId.OPUS:
        stereo = {"stereo": "1", "sprop-stereo": "1"} if track.channels > 1 else {}
        return {"minptime": "10", "useinbandfec": "1", **stereo}
    if offered.codec is not CodecId.H264:
        return dict(offered.parameters)
    return {key: value for key in _H264_ECHOED if (value := _h264_sent(offered, track).get(key))}


def _h264_sent(offered: PayloadFormat, track: Track) -> dict[str, str]:
    """RFC 6184 §8.2.2: the offered profile; the stream's own level when levels may differ, else at most the offered."""
    wanted, stream = _h264_offered(offered), _h264_stream(track)
    if wanted is None or stream is None or "profile-level-id" not in offered.parameters:
        return dict(offered.parameters)
    asymmetric = offered.parameters.get("level-asymmetry-allowed") == "1"
    level = stream.level if asymmetric else min(stream.level, wanted.level)
    return {**offered.parameters, "profile-level-id": replace(wanted, level=level).text}


def _h264_offered(offered: PayloadFormat) -> h264_profile.ProfileLevel | None:
    return h264_profile.read(offered.parameters.get("profile-level-id", h264_profile.DEFAULT))


def _h264_stream(track: Track) -> h264_profile.ProfileLevel | None:
    if not track.configuration:
        return None
    configuration = avc.read_configuration(track.configuration)
    return h264_profile.ProfileLevel(configuration.profile, configuration.compatibility, configuration.level)


def _rank_h264(offered: PayloadFormat, track: Track) -> int | None:
    """Packetization mode 1, since pictures are larger than packets (RFC 6184 §6.3); last, those that name no mode.

    They mean mode 0 by the letter, and are receivers that read every mode and say little (GStreamer).
    """
    wanted, mode = _h264_offered(offered), offered.parameters.get("packetization-mode")
    if wanted is None or wanted.profile is None or mode not in {"1", None}:
        return None
    if mode is None:
        return _SILENT
    stream = _h264_stream(track)
    profile = stream.profile if stream else h264_profile.Profile.CONSTRAINED_BASELINE
    if wanted.profile is profile:
        return _EXACT
    breadth = h264_profile.breadth(wanted.profile)
    if profile is not None and h264_profile.decodes(wanted.profile, profile):
        return _SUPERSET + breadth
    return _HOPEFUL - breadth + len(h264_profile.Profile)


def _rank_h265(offered: PayloadFormat, track: Track) -> int | None:
    """RFC 7798 §7.1: profile-id is 1 (Main) when missing; Main 10 decodes Main."""
    if _burden(offered) is None:
        return None
    stream = hevc.read_configuration(track.configuration).general[0] & 0x1F if track.configuration else 1
    return _nested(_number(offered, "profile-id", 1), stream)


def _rank_vp9(offered: PayloadFormat, track: Track) -> int | None:
    """RFC 9628 §6: profile-id is 0 when missing, and a decoder of one profile decodes no other."""
    stream = vp9.read_configuration(track.configuration).profile if track.configuration else 0
    return _EXACT if _number(offered, "profile-id", 0) == stream else None


def _rank_av1(offered: PayloadFormat, track: Track) -> int | None:
    """AV1 RTP §7.2.3: profile is 0 when missing; each higher profile decodes the lower ones."""
    sequence = av1.read_configuration(track.configuration) if track.configuration else None
    return _nested(_number(offered, "profile", 0), sequence.profile if sequence else 0)


def _rank_any(_offered: PayloadFormat, _track: Track) -> int | None:
    return _EXACT


def _nested(decoder: int, stream: int) -> int | None:
    """The rank where each higher profile decodes the lower ones, and no decoder goes beyond its own."""
    if decoder == stream:
        return _EXACT
    return _SUPERSET + decoder if decoder > stream else None


def _number(offered: PayloadFormat, name: str, missing: int) -> int:
    """A small number among the parameters; -1 when it is none, which matches nothing."""
    text = offered.parameters.get(name, "")
    if not text:
        return missing
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else -1


_SENT: Mapping[CodecId, Callable[[PayloadFormat, Track], int | None]] = MappingProxyType(
    {
        CodecId.H264: _rank_h264,
        CodecId.H265: _rank_h265,
        CodecId.VP9: _rank_vp9,
        CodecId.AV1: _rank_av1,
        CodecId.VP8: _rank_any,
        CodecId.OPUS: _rank_any,
        CodecId.PCMA: _rank_any,
        CodecId.PCMU: _rank_any,
        CodecId.G722: _rank_any,
    }
)
