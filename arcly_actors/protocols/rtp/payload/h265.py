"""H.265 (RFC 7798): single NAL units (§4.4.1), aggregation packets (§4.4.2), fragmentation units (§4.4.3), both ways.

As for H.264, the parameter sets of the track go before every keyframe that has none of its own. Without decoding order
numbers (sprop-max-don-diff 0), and no PACI packets: nothing that sends to us uses either.
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import hevc, nal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.nal_units import NalParts, ParameterSets
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

AGGREGATION, FRAGMENT = 48, 49
_DELIMITER, _FILLER, _SEI = 35, 38, 39
_PICTURES, _KEY_PICTURES = range(32), range(16, 24)
_START, _END = 0x80, 0x40
_HEADER = 2


class _Form:
    header = _HEADER

    def together(self, units: list[bytes]) -> bytes:
        # The lowest layer and temporal id of those inside, the F bit of any (§4.4.2).
        fields = [int.from_bytes(unit[:2]) for unit in units]
        forbidden = any(value & 0x8000 for value in fields) << 15
        layer = min(value >> 3 & 0x3F for value in fields)
        temporal = min(value & 7 for value in fields)
        head = forbidden | AGGREGATION << 9 | layer << 3 | temporal
        return head.to_bytes(2) + nal.join(units, 2)

    def fragments(self, unit: bytes, most: int) -> list[bytes]:
        head, kind = bytes((unit[0] & 0x81 | FRAGMENT << 1, unit[1])), hevc.kind(unit)
        cuts = nal_units.pieces(len(unit) - 2, most - 3)
        made = [head + bytes((kind,)) + unit[start + 2 : end + 2] for start, end in cuts]
        made[0] = head + bytes((_START | kind,)) + unit[2 : cuts[0][1] + 2]
        made[-1] = head + bytes((_END | kind,)) + unit[cuts[-1][0] + 2 :]
        return made


class H265Packetiser:
    """A `Packetiser`; `most` bounds the bytes of a payload."""

    def __init__(self, most: int = limits.RTP_PAYLOAD) -> None:
        self._most = most
        self._form = _Form()
        self._configuration = b""
        self._parameters: tuple[bytes, ...] = ()

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one access unit."""
        units = [unit for unit in nal.split(frame.payload) if _is_wanted(unit)]
        if frame.keyframe and not any(hevc.kind(unit) == hevc.SPS for unit in units):
            units[:0] = self._parameter_sets(frame.track.configuration)
        return nal_units.chunks(self._form, units, self._most)

    def _parameter_sets(self, configuration: bytes) -> tuple[bytes, ...]:
        if configuration is not self._configuration:
            units = hevc.read_configuration(configuration).units if configuration else ()
            self._parameters = tuple(unit for unit in units if hevc.kind(unit) in {hevc.VPS, hevc.SPS, hevc.PPS})
            self._configuration = configuration
        return self._parameters


class H265Assembly:
    """The `Assembly` of H.265."""

    def __init__(self) -> None:
        self._parts = NalParts()
        self._parameters = ParameterSets((hevc.VPS, hevc.SPS, hevc.PPS))
        self._kinds: set[int] = set()
        self.configuration = b""

    def starts(self, payload: bytes) -> bool:
        """True for a delimiter and a VPS; for SEI and a first slice segment only while no VPS ever came in-band."""
        kind, at = hevc.kind(payload), _HEADER
        if kind == AGGREGATION and len(payload) > 4:
            kind, at = hevc.kind(payload[4:]), 6
        elif kind == FRAGMENT and payload[2:3] > b"\x7f":
            kind, at = payload[2] & 0x3F, 3
        slice_start = kind in _PICTURES and payload[at : at + 1] > b"\x7f"
        if kind in {_DELIMITER, hevc.VPS}:
            return True
        return not self.configuration and (slice_start or kind == _SEI)

    def add(self, payload: bytes) -> None:
        """Single units, aggregation packets and fragments; `Malformed` for other types from 48 on."""
        if len(payload) <= _HEADER:
            raise Malformed(f"H.265 payload of {len(payload)} bytes")
        kind = hevc.kind(payload)
        if kind < AGGREGATION:
            self._add(payload)
        elif kind == FRAGMENT:
            self._add_fragment(payload)
        elif kind == AGGREGATION:
            for unit in nal_units.split_lengths(payload, _HEADER):
                self._add(unit)
        else:
            raise Malformed(f"H.265 payload of type {kind}")

    def take(self) -> tuple[bytes, bool] | None:
        """The access unit; None while it has parameter sets and SEI only."""
        pictures = self._kinds.intersection(_PICTURES)
        if not pictures:
            return None
        payload = self._parts.take()
        if (sets := self._parameters.settle()) is not None:
            self.configuration = hevc.write_configuration(*sets)
        self._kinds = set()
        return payload, not pictures.isdisjoint(_KEY_PICTURES)

    def clear(self) -> None:
        """Forget the unit."""
        self._parts.clear()
        self._parameters.clear()
        self._kinds = set()

    def _add(self, unit: bytes) -> None:
        if len(unit) < _HEADER:
            raise Malformed("H.265 NAL unit without its header")
        kind = hevc.kind(unit)
        self._kinds.add(kind)
        self._parts.add(unit)
        self._parameters.see(kind, unit)

    def _add_fragment(self, payload: bytes) -> None:
        if len(payload) < 4:
            raise Malformed("H.265 fragment without content")
        flags = payload[2]
        if flags & _START:
            kind = flags & 0x3F
            if kind >= AGGREGATION:
                raise Malformed(f"H.265 fragment of type {kind}")
            self._kinds.add(kind)
            self._parts.begin(bytes((payload[0] & 0x81 | kind << 1, payload[1])))
        self._parts.proceed(payload[3:], last=bool(flags & _END))


def _is_wanted(unit: bytes) -> bool:
    return len(unit) > _HEADER and hevc.kind(unit) not in {_DELIMITER, _FILLER}
