"""RTSP play: frames as interleaved frames (RFC 2326 §10.12), made once for all viewers with the same channels.

What a viewer over UDP is sent is the very same, which its outlet takes out of the framing (`transport.udp_outlet`).
SSRCs, sequence numbers and times are the stream's own and shared by all. A joiner is first sent a sender report for each
track, all of the instant at which it starts: players align sound and picture by it from their first packet on.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.clock import Clock
from arcly_actors.errors import PeerViolation
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import Packetiser
from arcly_actors.protocols.rtp.reporting import Bye, Sdes
from arcly_actors.protocols.rtp.reports import sender_report
from arcly_actors.protocols.rtsp.description import Medium
from arcly_actors.protocols.rtsp.events import TrackStart
from arcly_actors.protocols.rtsp.message import write_interleaved

_NAME = "arcly_actors"


@dataclass(frozen=True, slots=True)
class Line:
    """One medium of a viewer's, and its RTP and RTCP channel."""

    medium: Medium
    channels: tuple[int, int]


class RtspEncoder:
    """An encoder (see `bus.encoded.Encoder`).

    `seed` gives SSRCs and time offsets, which stay the same when an encoder is made again; `sequence`, below 2^15 and
    from the caller's entropy, is the first number. `dropped` counts frames that are not what their codec says.
    """

    def __init__(self, lines: Sequence[Line], seed: bytes, sequence: int, clock: Clock) -> None:
        self._lanes = [_Lane(line, seed, sequence) for line in lines if line.medium.track is not None]
        self._sent = {lane.track.id: lane for lane in self._lanes}
        self._clock = clock
        self._zero: int | None = None  # wall time at zero of the stream's timeline
        self._reported: int | None = None
        self.dropped = 0

    def opening(self, tracks: Sequence[Track], metadata: Mapping[str, str], dts: int) -> bytes:
        """A sender report of each track, of the instant `dts`."""
        del tracks, metadata
        return self._reports(dts)

    def follow(self, tracks: Sequence[Track]) -> None:
        """Each medium is the track that it was described as, or else, of another publisher, the first of its codec.

        Without one it is sent no more: the description that viewers have does not fit what there is.
        """
        self._sent = {}
        for same in (lambda lane, track: track.id == lane.track.id, lambda _lane, _track: True):
            for lane in self._lanes:
                if lane in self._sent.values():
                    continue
                fitting = (each for each in tracks if each.codec is lane.track.codec and each.id not in self._sent)
                found = next((each for each in fitting if same(lane, each)), None)
                if found is not None:
                    self._sent[found.id] = lane

    def configuration(self, track: Track, dts: int) -> bytes:
        """Nothing: parameter sets travel in-band before each keyframe."""
        del track, dts
        return b""

    def frame(self, frame: MediaFrame) -> bytes:
        """The packets of one frame, behind sender reports when they are due."""
        lane = self._sent.get(frame.track.id)
        if lane is None:
            return b""
        if self._zero is None:
            self._zero = self._wall(frame) - frame.dts
        try:
            data = lane.packets(frame)
        except PeerViolation:  # not what its codec says: one frame less, for a publisher must not end a format
            self.dropped += 1
            return b""
        if self._reported is None or frame.dts - self._reported >= limits.RTSP_REPORT_INTERVAL:
            self._reported = frame.dts
            return self._reports(frame.dts) + data
        return data

    def ending(self) -> bytes:
        """A BYE of each track."""
        return b"".join(
            write_interleaved(lane.channels[1], rtcp.build(lane.report(self._zero or 0, 0), Bye((lane.stream.ssrc,))))
            for lane in self._lanes
        )

    def _reports(self, dts: int) -> bytes:
        zero = self._zero if self._zero is not None else self._clock.wall_ns() - dts
        return b"".join(
            write_interleaved(lane.channels[1], rtcp.build(lane.report(zero, dts), Sdes(((lane.stream.ssrc, _NAME),))))
            for lane in self._lanes
        )

    def _wall(self, frame: MediaFrame) -> int:
        """When the frame was captured, or else when it came."""
        if frame.captured:
            return frame.captured
        waited = self._clock.monotonic_ns() - frame.arrival if frame.arrival else 0
        return self._clock.wall_ns() - waited


class _Lane:
    """One track's packets."""

    def __init__(self, line: Line, seed: bytes, sequence: int) -> None:
        medium = line.medium
        assert medium.track is not None
        self.track = medium.track
        self.channels = line.channels
        self._rate = medium.rate
        secret = hashlib.sha256(seed + bytes((medium.index,))).digest()
        self.stream = OutgoingStream(int.from_bytes(secret[:4]), medium.payload_type, sequence)
        self._offset = int.from_bytes(secret[4:8])
        self._packetiser: Packetiser = FORMATS[self.track.codec].packetiser()
        self._header = b"$" + self.channels[0].to_bytes(1)

    def packets(self, frame: MediaFrame) -> bytes:
        """The interleaved packets of a frame."""
        head = self._header
        made = self.stream.build(self._packetiser.packetise(frame), self._ticks(frame.pts))
        return b"".join([part for packet in made for part in (head, len(packet).to_bytes(2), packet)])

    def report(self, zero: int, dts: int) -> "rtcp.RtcpPacket":
        """What was sent up to `dts`, and which wall time that is."""
        return sender_report(self.stream, zero + dts, self._ticks(dts))

    def _ticks(self, time: int) -> int:
        return from_ns(time, self._rate) + self._offset


def starts(lines: Sequence[Line], entries: Iterable[bytes]) -> tuple[TrackStart, ...]:
    """The first packet of each medium in these entries; a medium that has none there is left out."""
    wanted = {line.channels[0]: line.medium.index for line in lines}
    found: dict[int, TrackStart] = {}
    for entry in entries:
        at = 0
        while at + _RTP_HEADER <= len(entry) and len(found) < len(wanted):
            medium = wanted.get(entry[at + 1])
            if medium is not None and medium not in found:
                sequence, timestamp = _NUMBERS.unpack_from(entry, at + 6)
                found[medium] = TrackStart(medium, sequence, timestamp)
            at += 4 + int.from_bytes(entry[at + 2 : at + 4])
        if len(found) == len(wanted):
            break
    return tuple(found[medium] for medium in sorted(found))


_NUMBERS = struct.Struct(">HI")
_RTP_HEADER = 4 + 12


def format_name(lines: Sequence[Line]) -> str:
    """The name of the format that viewers with the same media on the same channels share.

    The codec is in it: after a change of codec another description has the same numbers.
    """
    return "rtsp/" + "+".join(
        f"{line.medium.index}.{line.medium.payload_type}.{_coded(line.medium.track)}:{line.channels[0]}" for line in lines
    )


def _coded(track: Track | None) -> str:
    return f"{track.id}-{track.codec}" if track is not None else ""
