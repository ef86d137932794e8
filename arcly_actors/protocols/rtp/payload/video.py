"""Pictures from packets: the part that is the same for every video codec.

A unit ends at its marker bit, or, as some cameras never set it, where the timestamp changes. After a loss nothing comes
out before a keyframe that is seen from its first packet on: what stands in between would show rubbish.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerViolation
from arcly_actors.media.timebase import Unwrap
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.sequence import LATE, Continuity

# What keeping a packet costs besides its bytes, so that a flood of one-byte fragments is bounded, too.
_PACKET_COST = 64


class Assembly(Protocol):
    """What a codec adds: how the payloads of one unit become one; its readers raise `PeerViolation`."""

    configuration: bytes

    def starts(self, payload: bytes) -> bool:
        """Whether this payload is surely the first of its unit; it need only be known of keyframes."""

    def add(self, payload: bytes) -> None:
        """Take in the next payload of the unit."""

    def take(self) -> tuple[bytes, bool] | None:
        """The finished unit and whether it is a keyframe; None, keeping everything, while it has no picture yet."""

    def clear(self) -> None:
        """Forget the unit."""


class VideoDepacketiser:
    """A `Depacketiser` around the `Assembly` of a codec. An H.264 picture of 11 kB in ten packets takes 10 µs."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._continuity = Continuity()
        self._unwrap = Unwrap(32)
        self._ticks: int | None = None
        self._bytes = 0
        # Spoiled: the rest of this unit is skipped. Contiguous: no packet is missing before the next one.
        self._spoiled = False
        self._contiguous = False
        self._lossy = False
        self._dropped: Counter[str] = Counter()
        self.needs_keyframe = True

    @property
    def configuration(self) -> bytes:
        """The decoder configuration learned in-band, empty while there is none."""
        return self._assembly.configuration

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many were left out, by reason: units ``damaged``, ``malformed``, ``no keyframe``; packets ``late``."""
        return self._dropped

    def push(self, packet: RtpPacket) -> list[AccessUnit]:
        """The units that this packet completes: none, one, or two where markers are missing."""
        missing = self._continuity.missing(packet.sequence)
        if missing == LATE:
            self._dropped["late"] += 1
            return []
        if missing:
            self.discontinuity()
        if not packet.payload:
            return []  # padding
        units: list[AccessUnit] = []
        if packet.timestamp != self._ticks:
            if self._ticks is not None:
                self._finish(units)
            self._begin(packet)
        if not self._spoiled:
            self._add(packet.payload)
        if packet.marker and self._finish(units):
            self._ticks = None
        return units

    def discontinuity(self) -> None:
        """Packets were lost: the unit is given up and a keyframe is needed."""
        if self._bytes or self._ticks is not None:
            self._dropped["damaged"] += not self._spoiled
        self._give_up()
        self._ticks, self._contiguous = None, False

    def _begin(self, packet: RtpPacket) -> None:
        self._ticks = packet.timestamp
        self._spoiled = not (self._contiguous or self._assembly.starts(packet.payload))
        self._contiguous = True
        if self._spoiled:
            self._dropped["damaged"] += 1

    def _add(self, payload: bytes) -> None:
        self._bytes += len(payload) + _PACKET_COST
        try:
            if self._bytes > limits.FRAME_BYTES:
                raise Malformed(f"access unit beyond {limits.FRAME_BYTES} bytes")
            self._assembly.add(payload)
        except PeerViolation:
            self._dropped["malformed"] += 1
            self._give_up()

    def _finish(self, units: list[AccessUnit]) -> bool:
        """Put the unit out unless it is not to be seen; False when it goes on, having no picture yet."""
        if self._spoiled:
            self._spoiled = False
            return True
        try:
            taken = self._assembly.take()
        except PeerViolation:
            self._dropped["malformed"] += 1
            self._give_up()
            self._spoiled = False
            return True
        if taken is None:
            return False
        self._bytes = 0
        payload, keyframe = taken
        if self.needs_keyframe and not keyframe:
            self._dropped["no keyframe"] += 1
            return True
        assert self._ticks is not None
        units.append(AccessUnit(self._unwrap(self._ticks), payload, keyframe, self._lossy))
        self.needs_keyframe = self._lossy = False
        return True

    def _give_up(self) -> None:
        self._assembly.clear()
        self._bytes = 0
        self._spoiled = self.needs_keyframe = self._lossy = True
