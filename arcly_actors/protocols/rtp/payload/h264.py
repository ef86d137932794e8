"""H.264 (RFC 6184), packetization-mode 1: single NAL units (§5.6), STAP-A (§5.7.1) and FU-A (§5.8), both ways.

Sending: the parameter sets of the track go before every keyframe that has none of its own, as a player that joins needs
them; delimiters and filler are left out. A picture of 11 kB takes 9 µs to packetise, once for all viewers. Interleaved
mode is not read.
"""

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import avc, nal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.payload import nal_units
from arcly_actors.protocols.rtp.payload.nal_units import NalParts, ParameterSets
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

STAP_A, FU_A = 24, 28
_FILLER = 12
_PICTURES = range(avc.SLICE, avc.IDR + 1)
_START, _END = 0x80, 0x40


class _Form:
    header = 1

    def together(self, units: list[bytes]) -> bytes:
        # The highest importance of those inside, and the F bit of any (§5.7).
        importance = max(unit[0] & 0x60 for unit in units)
        forbidden = any(unit[0] & 0x80 for unit in units) << 7
        return bytes((forbidden | importance | STAP_A,)) + nal.join(units, 2)

    def fragments(self, unit: bytes, most: int) -> list[bytes]:
        indicator, kind = unit[0] & 0xE0 | FU_A, unit[0] & 0x1F
        cuts = nal_units.pieces(len(unit) - 1, most - 2)
        middle = bytes((indicator, kind))
        made = [middle + unit[start + 1 : end + 1] for start, end in cuts]
        made[0] = bytes((indicator, _START | kind)) + unit[1 : cuts[0][1] + 1]
        made[-1] = bytes((indicator, _END | kind)) + unit[cuts[-1][0] + 1 :]
        return made


class H264Packetiser:
    """A `Packetiser`; `most` bounds the bytes of a payload."""

    def __init__(self, most: int = limits.RTP_PAYLOAD) -> None:
        self._most = most
        self._form = _Form()
        self._configuration = b""
        self._parameters: tuple[bytes, ...] = ()

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of one access unit."""
        units = [unit for unit in nal.split(frame.payload) if unit[0] & 0x1F not in {avc.DELIMITER, _FILLER}]
        if frame.keyframe and not any(unit[0] & 0x1F == avc.SPS for unit in units):
            units[:0] = self._parameter_sets(frame.track.configuration)
        return nal_units.chunks(self._form, units, self._most)

    def _parameter_sets(self, configuration: bytes) -> tuple[bytes, ...]:
        if configuration is not self._configuration:
            read = avc.read_configuration(configuration) if configuration else None
            self._parameters = (*read.sps, *read.pps) if read else ()
            self._configuration = configuration
        return self._parameters


class H264Assembly:
    """The `Assembly` of H.264."""

    def __init__(self) -> None:
        self._parts = NalParts()
        self._parameters = ParameterSets((avc.SPS, avc.PPS))
        self._kinds: set[int] = set()
        self.configuration = b""

    def starts(self, payload: bytes) -> bool:
        """True for a delimiter and an SPS; for SEI and a slice at macroblock 0 only while no SPS ever came in-band."""
        kind, at = payload[0] & 0x1F, 1
        if kind == STAP_A and len(payload) > 3:
            kind, at = payload[3] & 0x1F, 4
        elif kind == FU_A and payload[1:2] > b"\x7f":
            kind, at = payload[1] & 0x1F, 2
        if kind in {avc.SPS, avc.DELIMITER}:
            return True
        slice_start = kind in _PICTURES and payload[at : at + 1] > b"\x7f"
        return not self.configuration and (slice_start or kind == avc.SEI)

    def add(self, payload: bytes) -> None:
        """Single NAL units, STAP-A and FU-A; `Malformed` for the types of interleaved mode and reserved ones."""
        kind = payload[0] & 0x1F
        if kind == FU_A:
            self._add_fragment(payload)
        elif 0 < kind < STAP_A:
            self._add(kind, payload)
        elif kind == STAP_A:
            for unit in nal_units.split_lengths(payload, 1):
                self._add(unit[0] & 0x1F, unit)
        else:
            raise Malformed(f"H.264 payload of type {kind}")

    def take(self) -> tuple[bytes, bool] | None:
        """The access unit; None while it has parameter sets and SEI only."""
        kinds = self._kinds
        if not kinds.intersection(_PICTURES):
            return None
        payload = self._parts.take()
        if (sets := self._parameters.settle()) is not None:
            self.configuration = avc.write_configuration(*sets)
        self._kinds = set()
        return payload, avc.IDR in kinds or (avc.SEI in kinds and avc.is_keyframe(payload))

    def clear(self) -> None:
        """Forget the unit."""
        self._parts.clear()
        self._parameters.clear()
        self._kinds = set()

    def _add(self, kind: int, unit: bytes) -> None:
        self._kinds.add(kind)
        self._parts.add(unit)
        self._parameters.see(kind, unit)

    def _add_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise Malformed("H.264 fragment without content")
        flags = payload[1]
        if flags & _START:
            kind = flags & 0x1F
            if not 0 < kind < STAP_A:
                raise Malformed(f"H.264 fragment of type {kind}")
            self._kinds.add(kind)
            self._parts.begin(bytes((payload[0] & 0xE0 | kind,)))
        # A fragment that starts and ends is forbidden (§5.8) and yet sent, and there is no doubt about what it means.
        self._parts.proceed(payload[2:], last=bool(flags & _END))
