"""What payload formats turn into each other: RTP payloads and access units, and the two shapes of a format."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.packet import RtpPacket


class RtpChunk(NamedTuple):
    """The payload of one packet. `offset` is ticks after the time of the frame (sound cut into several packets)."""

    payload: bytes
    marker: bool = False
    offset: int = 0


class AccessUnit(NamedTuple):
    """One picture or sound frame as `media/frame.py` has its payload.

    `timestamp` is in ticks of the RTP clock, unwrapped. `after_loss` marks the first one after something was lost or
    left out; the unit itself is always whole.
    """

    timestamp: int
    payload: bytes
    keyframe: bool = True
    after_loss: bool = False


class Packetiser(Protocol):
    """One direction of a payload format: frames of one track in, payloads out, once for all viewers."""

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of a frame, in order; `Malformed` when the frame is not what its codec says."""


class Depacketiser(Protocol):
    """The other direction, for packets of one SSRC in order. What is damaged is left out and counted, never raised."""

    @property
    def needs_keyframe(self) -> bool:
        """Whether nothing comes out until a keyframe does: ask for one. Always False for sound."""

    @property
    def configuration(self) -> bytes:
        """The decoder configuration learned in-band (avcC, hvcC, av1C…), empty while there is none."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many units or packets were left out, by reason."""

    def push(self, packet: RtpPacket) -> list[AccessUnit]:
        """The units that this packet completes. A jump of its sequence number is a discontinuity."""

    def discontinuity(self) -> None:
        """Packets were lost before the next one, or the sender changed."""
