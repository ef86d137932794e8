"""RTP packets of one player back to the tags of the clip, for the Python load client; what it finds goes to a `Checker`.

Written apart from the package on purpose: a benchmark whose client shares the server's code shares its mistakes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.checker import Checker
from bench.chunks import Message
from bench.clip import AUDIO, VIDEO

_SPS, _STAP_A, _FU_A = 7, 24, 28
_OPTIONAL = {7, 8, 9, 12}
"""Parameter sets, delimiters and filler: a server may add them and leave them out."""
_IDR = 5


@dataclass(slots=True)
class _Numbers:
    """What the next packet of a medium has to be like."""

    sequence: int | None = None
    timestamp: int = 0
    ssrc: int = 0


@dataclass(slots=True)
class PacketChecker:
    """Follows the packets of one player. `payload_types` tells which are whose, `accept` takes whole tags."""

    checker: Checker
    payload_types: dict[int, int]
    configuration: bytes
    accept: Callable[[Message], None]
    _numbers: dict[int, _Numbers] = field(default_factory=dict)
    _units: list[bytes] = field(default_factory=list)
    _fragments: list[bytes] = field(default_factory=list)

    def take(self, packet: bytes) -> None:
        """Check one packet's numbers, and take its payload."""
        kind = self.payload_types.get(packet[1] & 127) if len(packet) > 12 and packet[0] == 0x80 else None
        if kind is None:
            self.checker.fault("protocol", f"no RTP of this session, {len(packet)} bytes")
            return
        if not self._follow(self._numbers.setdefault(kind, _Numbers()), packet):
            return
        if kind == AUDIO:
            self._audio(packet[12:])
        else:
            self._video(packet[12:])
            if packet[1] & 128:
                self._picture(int.from_bytes(packet[4:8], "big"))

    def _follow(self, numbers: _Numbers, packet: bytes) -> bool:
        sequence, timestamp, ssrc = (int.from_bytes(packet[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12)))
        if numbers.sequence is not None:
            ahead = (sequence - numbers.sequence) % 65536
            if ahead >= 0x8000:
                self.checker.fault("repeated", f"packet {sequence} where {numbers.sequence} comes")
                return False
            if ahead:
                self.checker.fault("missing", f"packet {sequence} where {numbers.sequence} comes", ahead)
            if (timestamp - numbers.timestamp) % (1 << 32) >= 1 << 31:
                self.checker.fault("backwards", f"timestamp {timestamp} after {numbers.timestamp}")
            if ssrc != numbers.ssrc:
                self.checker.fault("unexpected", "another SSRC")
        numbers.sequence, numbers.timestamp, numbers.ssrc = (sequence + 1) % 65536, timestamp, ssrc
        return True

    def _video(self, payload: bytes) -> None:
        kind = payload[0] & 31
        if kind == _STAP_A:
            at = 1
            while at + 2 < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                self._units.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == _FU_A:
            if payload[1] & 0x80:
                self._fragments = [bytes([payload[0] & 0xE0 | payload[1] & 31])]
            self._fragments.append(payload[2:])
            if payload[1] & 0x40:
                self._units.append(b"".join(self._fragments))
        else:
            self._units.append(payload)

    def _picture(self, timestamp: int) -> None:
        units, self._units = self._units, []
        kinds = {unit[0] & 31 for unit in units}
        if _SPS in kinds:
            self.accept(Message(VIDEO, 0, self.configuration))
        kept = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit[0] & 31 not in _OPTIONAL)
        self.accept(Message(VIDEO, timestamp // 90, bytes([0x17 if _IDR in kinds else 0x27, 1, 0, 0, 0]) + kept))

    def _audio(self, payload: bytes) -> None:
        """RFC 3640, AAC-hbr."""
        count = int.from_bytes(payload[:2], "big") // 16
        at = 2 + 2 * count
        for index in range(count):
            size = int.from_bytes(payload[2 + 2 * index : 4 + 2 * index], "big") >> 3
            self.accept(Message(AUDIO, 0, b"\xaf\x01" + payload[at : at + size]))
            at += size
