"""What connect says about enhanced RTMP (E-RTMP v2, "Enhancing NetConnection connect Command")."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcly_actors.protocols.rtmp.amf0 import Value, whole

CAN_FORWARD = 4
"""FourCcInfoMask: we pass the codec on and neither decode nor encode it."""

VIDEO_CODECS = ("avc1", "hvc1", "av01", "vp09", "vp08")
AUDIO_CODECS = ("mp4a", "Opus", "ac-3", "ec-3", "fLaC", ".mp3")
_MAX_CODECS = 64


@dataclass(frozen=True, slots=True)
class Capabilities:
    """FourCCs that the peer names, with their masks (1 decode, 2 encode, 4 forward; ``*`` is any codec), and capsEx."""

    fourccs: tuple[str, ...] = ()
    video: Mapping[str, int] = field(default_factory=dict)
    audio: Mapping[str, int] = field(default_factory=dict)
    caps_ex: int = 0


def read_capabilities(properties: Mapping[str, Value]) -> Capabilities | None:
    """What the properties of connect (or of its answer) say; None when they say nothing of enhanced RTMP."""
    listed = properties.get("fourCcList")
    names = ("fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx")
    if not any(name in properties for name in names):
        return None
    if isinstance(listed, Mapping):  # an ECMA array with numbered keys
        listed = list(listed.values())
    fourccs = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return Capabilities(
        tuple(fourccs[:_MAX_CODECS]),
        _masks(properties.get("videoFourCcInfoMap")),
        _masks(properties.get("audioFourCcInfoMap")),
        whole(properties.get("capsEx")),
    )


def own_capabilities() -> dict[str, Value]:
    """Our side, for the answer to a client that named its own. No multitrack, ModEx or reconnect: capsEx is 0."""
    return {
        "fourCcList": [*VIDEO_CODECS, *AUDIO_CODECS],
        "videoFourCcInfoMap": dict.fromkeys(VIDEO_CODECS, CAN_FORWARD),
        "audioFourCcInfoMap": dict.fromkeys(AUDIO_CODECS, CAN_FORWARD),
        "capsEx": 0,
    }


def _masks(value: Value) -> dict[str, int]:
    if not isinstance(value, Mapping):
        return {}
    return {name: whole(mask) for name, mask in list(value.items())[:_MAX_CODECS]}
