"""A sampled viewer: decrypts all it gets, puts the pictures together again and compares them with the clip.

How late a picture is, is from the publisher's stamp in it to the arrival of its last packet, as the kernel noted it: how
busy this process is does not count.
"""

import socket
import struct
import sys
import time
from dataclasses import dataclass, field

import pylibsrtp

from bench.checker import Checker, Reference
from bench.chunks import Message
from bench.clip import AUDIO, VIDEO
from bench.histogram import Histogram
from bench.opus_clip import CODED
from bench.whep.peer import TIMESTAMPNS, UDP_GRO, Peer
from bench.whep.sdp import H264, OPUS

_IDR, _SPS, _PPS, _STAP_A, _FU_A = 5, 7, 8, 24, 28
_FIXED = struct.Struct(">BBHII")


def wall_offset() -> int:
    """Wall clock less monotonic clock, in ns: the kernel stamps with the one, publishers with the other."""
    return time.time_ns() - time.monotonic_ns()


@dataclass(slots=True)
class Window:
    """What the sampled viewers count together while the steady window is open; `highest` are numbers by SSRC."""

    measuring: bool = False
    late: Histogram = field(default_factory=Histogram)
    packets: int = 0
    bytes: int = 0
    rtcp: int = 0
    highest: dict[int, int] = field(default_factory=dict)


class Pictures:
    """H.264 payloads of RFC 6184 in, NAL units of a whole picture out."""

    def __init__(self) -> None:
        self._units: list[bytes] = []
        self._fragments: list[bytes] = []

    def add(self, payload: bytes) -> None:
        """ValueError for what packetization-mode 1 does not have."""
        kind = payload[0] & 31
        if 0 < kind < _STAP_A:
            self._units.append(payload)
        elif kind == _STAP_A:
            at = 1
            while at < len(payload):
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
            raise ValueError(f"NAL unit type {kind}")

    def take(self) -> list[bytes]:
        """The units since the last time."""
        units, self._units = self._units, []
        return units


class Watcher:
    """See the module. `first_picture_ns` is when the first keyframe was whole, by the kernel's (wall) clock."""

    def __init__(self, peer: Peer, reference: Reference, window: Window) -> None:
        self.peer = peer
        self.checker = Checker(reference)
        self.first_picture_ns = 0
        self.pictures = 0
        self._reference = reference
        self._window = window
        self._assembly = Pictures()
        self._next: dict[int, int] = {}
        self._ticks: int | None = None

    def on_readable(self) -> None:
        """Take all that is there."""
        while True:
            try:
                data, ancillary, _, _ = self.peer.socket.recvmsg(65_536, 128)
            except BlockingIOError:
                return
            except OSError as error:
                self._fault("closed", str(error))
                return
            arrived, step = 0, len(data)
            for level, kind, value in ancillary:
                if level == socket.IPPROTO_UDP and kind == UDP_GRO:
                    step = int.from_bytes(value[:4], sys.byteorder) or step
                elif level == socket.SOL_SOCKET and kind == TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("=qq", value)
                    arrived = seconds * 1_000_000_000 + nanoseconds
            for at in range(0, len(data), step or 1):
                self._datagram(data[at : at + step], arrived)

    def _datagram(self, datagram: bytes, arrived: int) -> None:
        if len(datagram) < 12 or datagram[0] >> 6 != 2:
            return  # STUN, DTLS
        try:
            if 192 <= datagram[1] < 224:
                self.peer.incoming.unprotect_rtcp(datagram)
                self._window.rtcp += self._window.measuring
                return
            packet = self.peer.incoming.unprotect(datagram)
        except pylibsrtp.Error as error:
            self._fault("mismatched", f"SRTP: {error}")
            return
        self._window.packets += self._window.measuring
        self._window.bytes += len(datagram) * self._window.measuring
        self._packet(packet, arrived)

    def _packet(self, packet: bytes, arrived: int) -> None:
        first, second, number, ticks, ssrc = _FIXED.unpack_from(packet)
        self._follow(ssrc, number)
        at = 12 + 4 * (first & 15)
        if first & 16:
            at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
        end = len(packet) - (packet[-1] if first & 32 else 0)
        kind, payload = second & 127, packet[at:end]
        if kind == OPUS:
            self.checker.accept(Message(AUDIO, 0, CODED + payload))
        elif kind in H264:
            try:
                self._assembly.add(payload)
            except (ValueError, IndexError) as error:
                self._fault("protocol", str(error))
            if second & 128:
                self._picture(self._assembly.take(), ticks, arrived)
        else:
            self._fault("unexpected", f"payload type {kind}")

    def _follow(self, ssrc: int, number: int) -> None:
        ahead = number - self._next.get(ssrc, number) & 0xFFFF
        if ahead >= 0x8000:
            self._fault("repeated", f"number {number} is an old one")
            return
        if ahead:
            self._fault("missing", f"{ahead} packets before number {number}", ahead)
        self._next[ssrc] = number + 1 & 0xFFFF
        self._window.highest[ssrc] = number

    def _picture(self, units: list[bytes], ticks: int, arrived: int) -> None:
        kinds = {unit[0] & 31 for unit in units}
        sets = [unit for unit in units if unit[0] & 31 in {_SPS, _PPS}]
        configuration = self._reference.configuration[VIDEO]
        if sets:
            if all(unit in configuration for unit in sets) and {_SPS, _PPS} <= kinds:
                self.checker.accept(Message(VIDEO, 0, configuration))
            else:
                self._fault("mismatched", "other parameter sets than the clip's")
        keyframe = _IDR in kinds
        head = bytes([0x17 if keyframe else 0x27]) + b"\x01\x00\x00\x00"
        body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit not in sets)
        sent_ns = self.checker.accept(Message(VIDEO, self._unwrapped(ticks), head + body))
        if keyframe and sent_ns is not None and not self.first_picture_ns:
            self.first_picture_ns = arrived
        if self._window.measuring:
            self.pictures += 1
            if sent_ns is not None:
                self._window.late.add(arrived - wall_offset() - sent_ns)

    def _unwrapped(self, ticks: int) -> int:
        """The timestamp as a number that goes on past 32 bits; it starts in the middle, so that going back is seen."""
        last = 1 << 32 | ticks if self._ticks is None else self._ticks
        self._ticks = last + ((ticks - last + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
        return self._ticks

    def _fault(self, kind: str, text: str, times: int = 1) -> None:
        self.checker.fault(kind, text, times)
