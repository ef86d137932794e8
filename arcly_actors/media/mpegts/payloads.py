"""Frames to what a PES packet carries of them: one row per codec. The other way is in `pictures`, `sound` and `data`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from arcly_actors.errors import Malformed
from arcly_actors.media import aac, avc, hevc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.pes import AUDIO_ID, METADATA_ID, PRIVATE_ID, VIDEO_ID

Payload = Callable[[MediaFrame], bytes]
"""A frame's bytes. `Malformed` when it is damaged or cannot be carried."""

_H264_DELIMITER: Final = b"\x09\xf0"  # any kind of slices may follow
_H265_DELIMITER: Final = b"\x46\x01\x50"

STREAM_IDS: Final[Mapping[CodecId, int]] = MappingProxyType(
    {
        CodecId.H264: VIDEO_ID,
        CodecId.H265: VIDEO_ID,
        CodecId.AAC: AUDIO_ID,
        CodecId.MP3: AUDIO_ID,
        CodecId.AC3: PRIVATE_ID,
        CodecId.EAC3: PRIVATE_ID,
        CodecId.OPUS: PRIVATE_ID,
        CodecId.KLV: PRIVATE_ID,
        CodecId.TIMED_METADATA: PRIVATE_ID,
        CodecId.SCTE35: METADATA_ID,
    }
)
"""The stream_id of a codec's PES packets; that of SCTE 35, which has sections, is never written."""


def payload_of(track: Track) -> Payload:
    """How the frames of a track are carried; `Malformed` when its configuration has no place in MPEG-TS."""
    make = _MAKERS.get(track.codec)
    return make(track) if make is not None else _as_it_is


def _as_it_is(frame: MediaFrame) -> bytes:
    return frame.payload


def _h264(track: Track) -> Payload:
    read = avc.read_configuration(track.configuration) if track.configuration else None
    sets = (*read.sps, *read.pps) if read is not None else ()

    def payload(frame: MediaFrame) -> bytes:
        units = nal.split(frame.payload)
        kinds = {unit[0] & 0x1F for unit in units}
        head = () if avc.DELIMITER in kinds else (_H264_DELIMITER,)
        return nal.join_annex_b((*head, *(sets if frame.keyframe and avc.SPS not in kinds else ()), *units))

    return payload


def _h265(track: Track) -> Payload:
    sets = hevc.read_configuration(track.configuration).units if track.configuration else ()

    def payload(frame: MediaFrame) -> bytes:
        units = nal.split(frame.payload)
        kinds = {hevc.kind(unit) for unit in units}
        head = () if hevc.DELIMITER in kinds else (_H265_DELIMITER,)
        return nal.join_annex_b((*head, *(sets if frame.keyframe and hevc.SPS not in kinds else ()), *units))

    return payload


def _aac(track: Track) -> Payload:
    configuration = aac.read_configuration(track.configuration)
    aac.write_adts(configuration, 0)  # object types that ADTS has no number for are refused before the first frame

    def payload(frame: MediaFrame) -> bytes:
        return aac.write_adts(configuration, len(frame.payload)) + frame.payload

    return payload


def _opus(_: Track) -> Payload:
    def payload(frame: MediaFrame) -> bytes:
        full, rest = divmod(len(frame.payload), 255)
        return b"".join((b"\x7f\xe0", b"\xff" * full, bytes((rest,)), frame.payload))

    return payload


def _metadata(_: Track) -> Payload:
    def payload(frame: MediaFrame) -> bytes:
        if len(frame.payload) > 0xFF00:
            raise Malformed("a message that is longer than a PES packet")
        return frame.payload

    return payload


_MAKERS: Final[Mapping[CodecId, Callable[[Track], Payload]]] = MappingProxyType(
    {
        CodecId.H264: _h264,
        CodecId.H265: _h265,
        CodecId.AAC: _aac,
        CodecId.OPUS: _opus,
        CodecId.KLV: _metadata,
        CodecId.TIMED_METADATA: _metadata,
    }
)
