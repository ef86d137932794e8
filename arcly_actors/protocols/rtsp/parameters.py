"""Decoder configurations in SDP: what ``a=rtpmap`` and ``a=fmtp`` say of each codec, both ways; one table row per codec.

H.264 RFC 6184 §8.1, H.265 RFC 7798 §7.1, AAC RFC 3640 §4.1, Opus RFC 7587 §7; the other codecs have nothing to say.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType

from arcly_actors.errors import Malformed
from arcly_actors.media import aac, avc, hevc, opus
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp.payload.aac import AacForm

_HEVC_SETS = (("sprop-vps", hevc.VPS), ("sprop-sps", hevc.SPS), ("sprop-pps", hevc.PPS))


def read_fmtp(text: str) -> dict[str, str]:
    """The parameters behind the payload type, by lower-case name; spaces and empty parts do no harm."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts if name.strip()}


def configuration(codec: CodecId, told: Mapping[str, str], rate: int, channels: int) -> bytes:
    """The decoder configuration, empty while only the stream itself can tell it. `Malformed` when it is told wrongly."""
    reader = _READERS.get(codec)
    return reader(told, rate, channels) if reader else b""


def aac_form(told: Mapping[str, str]) -> AacForm:
    """The widths of AU header fields, AAC-hbr's where they are not told."""
    config = told.get("config", "")
    frame_length = 1024
    if config:
        frame_length = aac.read_configuration(_hex(config)).frame_length
    names = ("sizelength", "indexlength", "indexdeltalength")
    size, index, delta = (_number(told.get(name, usual)) for name, usual in zip(names, ("13", "3", "3"), strict=True))
    return AacForm(size, index, delta, frame_length)


def write_fmtp(track: Track) -> str:
    """The parameters of a track, empty where there is nothing to say."""
    writer = _WRITERS.get(track.codec)
    return writer(track) if writer else ""


def _read_avc(told: Mapping[str, str], _rate: int, _channels: int) -> bytes:
    units = _units(told.get("sprop-parameter-sets", ""))
    sps = [unit for unit in units if unit[0] & 0x1F == avc.SPS]
    pps = [unit for unit in units if unit[0] & 0x1F == avc.PPS]
    return avc.write_configuration(sps, pps) if sps and pps else b""


def _read_hevc(told: Mapping[str, str], _rate: int, _channels: int) -> bytes:
    sets = [[unit for unit in _units(told.get(name, "")) if hevc.kind(unit) == kind] for name, kind in _HEVC_SETS]
    return hevc.write_configuration(*sets) if all(sets) else b""


def _read_aac(told: Mapping[str, str], rate: int, channels: int) -> bytes:
    if told.get("config"):
        found = _hex(told["config"])
        aac.read_configuration(found)
        return found
    return aac.write_configuration(rate, channels or 1)


def _read_opus(told: Mapping[str, str], _rate: int, channels: int) -> bytes:
    stereo = told.get("sprop-stereo", "1" if channels == 2 else "0") == "1"
    return opus.write_head(opus.OpusHead(2 if stereo else 1))


def _write_avc(track: Track) -> str:
    if not track.configuration:
        return "packetization-mode=1"
    read = avc.read_configuration(track.configuration)
    level = f"{read.profile:02X}{read.compatibility:02X}{read.level:02X}"
    sets = ",".join(_base64(unit) for unit in (*read.sps, *read.pps))
    told = f"packetization-mode=1;profile-level-id={level}"
    return f"{told};sprop-parameter-sets={sets}" if sets else told


def _write_hevc(track: Track) -> str:
    if not track.configuration:
        return ""
    units = hevc.read_configuration(track.configuration).units
    sets = ((name, [unit for unit in units if hevc.kind(unit) == kind]) for name, kind in _HEVC_SETS)
    return ";".join(f"{name}={','.join(map(_base64, found))}" for name, found in sets if found)


def _write_aac(track: Track) -> str:
    widths = "sizelength=13;indexlength=3;indexdeltalength=3"
    return f"streamtype=5;profile-level-id=1;mode=AAC-hbr;{widths};config={track.configuration.hex()}"


def _write_opus(track: Track) -> str:
    return f"sprop-stereo={int(track.channels != 1)}"


def _units(text: str) -> list[bytes]:
    """Parameter sets in base64, those that are none left out: devices leave a comma at the end, or cut the padding."""
    found = []
    for part in text.split(","):
        stripped = part.strip().rstrip("=")
        try:
            unit = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        unit = unit.removeprefix(b"\x00\x00\x00\x01").removeprefix(b"\x00\x00\x01")
        if len(unit) > 2:
            found.append(unit)
    return found


def _base64(unit: bytes) -> str:
    return base64.b64encode(unit).decode()


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed(f"not a configuration in hexadecimal: {text[:40]!r}", code=400) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 3):
        raise Malformed(f"not a width of a field: {text[:40]!r}", code=400)
    return int(text)


_Read = Callable[[Mapping[str, str], int, int], bytes]
_READERS: MappingProxyType[CodecId, _Read] = MappingProxyType(
    {CodecId.H264: _read_avc, CodecId.H265: _read_hevc, CodecId.AAC: _read_aac, CodecId.OPUS: _read_opus}
)
_WRITERS: MappingProxyType[CodecId, Callable[[Track], str]] = MappingProxyType(
    {CodecId.H264: _write_avc, CodecId.H265: _write_hevc, CodecId.AAC: _write_aac, CodecId.OPUS: _write_opus}
)
