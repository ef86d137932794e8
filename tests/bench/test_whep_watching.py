"""What the sampled viewers and the native reader have to find: a check that cannot fail proves nothing."""

import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from pylibsrtp import Session

from bench.checker import Reference
from bench.clip import AUDIO, VIDEO, ClipMessage
from bench.native_tools import native
from bench.opus_clip import CODED
from bench.stamp import NAME, STAMP_AT, STAMP_END, stamp, write_over
from bench.whep.crowd import NativeReader
from bench.whep.packets import SSRCS, dump
from bench.whep.peer import TIMESTAMPNS, Peer
from bench.whep.sdp import H264, OPUS
from bench.whep.srtp import receiving, sending
from bench.whep.viewers import sampled
from bench.whep.watcher import Pictures, Watcher, Window

MASTER = bytes(range(28))
SPS, PPS = b"\x67\x64\x00\x1f\xac", b"\x68\xee\x3c\x80"
CONFIGURATION = b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x05" + SPS + b"\x01\x00\x04" + PPS


def unit(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def picture(at: int) -> bytes:
    head = b"\x65\x88" if at % 3 == 0 else b"\x41\x9a"
    body = unit(b"\x06\x05\x01\x00\x80") + unit(head + bytes([at]) * (2500 if at % 3 == 0 else 300))
    return write_over(bytes([0x17 if at % 3 == 0 else 0x27, 1, 0, 0, 0]) + body)


def small_clip() -> list[ClipMessage]:
    video = [ClipMessage(VIDEO, True, at * 40, picture(at)) for at in range(6)]
    audio = [ClipMessage(AUDIO, True, at * 20 + 5, CODED + bytes([at]) * 50) for at in range(12)]
    start = [ClipMessage(VIDEO, False, 0, CONFIGURATION), ClipMessage(AUDIO, False, 0, b"\x90OpusOpusHead")]
    return start + sorted(video + audio, key=lambda message: message.dts_ms)


def packets() -> list[bytes]:
    """The clip as plain RTP, stamped: parameter sets and the fragments of a keyframe, single units, sounds."""
    made: list[bytes] = []
    numbers = {VIDEO: 100, AUDIO: 65_530}
    index = 0

    def add(kind: int, payload: bytes, ticks: int, *, marker: bool) -> None:
        number = H264[-1] if kind == VIDEO else OPUS
        head = bytes([0x80, number | marker << 7]) + (numbers[kind] & 0xFFFF).to_bytes(2, "big")
        made.append(head + ticks.to_bytes(4, "big") + SSRCS[kind].to_bytes(4, "big") + payload)
        numbers[kind] += 1

    for message in small_clip():
        if not message.frame:
            continue
        if message.type == AUDIO:
            add(AUDIO, message.payload[len(CODED) :], message.dts_ms * 48, marker=False)
            continue
        tag = message.payload[:STAMP_AT] + stamp(index, time.monotonic_ns()) + message.payload[STAMP_END:]
        slice_, ticks = tag[9:], message.dts_ms * 90
        if index % 3 == 0:
            add(VIDEO, b"\x78" + b"".join(len(s).to_bytes(2, "big") + s for s in (SPS, PPS)), ticks, marker=False)
            add(VIDEO, b"\x7c\x85" + slice_[1:1200], ticks, marker=False)
            add(VIDEO, b"\x7c\x05" + slice_[1200:2400], ticks, marker=False)
            add(VIDEO, b"\x7c\x45" + slice_[2400:], ticks, marker=True)
        else:
            add(VIDEO, slice_, ticks, marker=True)
        index += 1
    return made


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    with made.socket:
        made.socket.bind(("127.0.0.1", 0))
        made.incoming = receiving(MASTER)
        yield made


def watched(peer: Peer, plain: list[bytes]) -> Watcher:
    """A viewer that was sent these packets, protected, within the steady window."""
    watcher = Watcher(peer, Reference(small_clip()), Window(measuring=True))
    sender: Session = sending(MASTER)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        for packet in plain:
            server.sendto(sender.protect(packet), peer.socket.getsockname())
            watcher.on_readable()
    return watcher


def faults(watcher: Watcher) -> dict[str, int]:
    return {kind: times for kind, times in watcher.checker.faults.items() if times}


def test_a_perfect_stream_has_no_fault(peer: Peer) -> None:
    watcher = watched(peer, packets())
    assert faults(watcher) == {}
    assert watcher.checker.first_error == ""
    assert watcher.pictures == 6
    assert abs(watcher.first_picture_ns - time.time_ns()) < 20_000_000_000


def busy(ns: int) -> None:
    """Do nothing useful for so long."""
    deadline = time.monotonic_ns() + ns
    while time.monotonic_ns() < deadline:
        pass


def until_the_kernel_stamps_what_arrives() -> None:
    """It begins to some time after a socket has asked for it; until then what is read is stamped when it is read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        own.bind(("127.0.0.1", 0))
        for _ in range(400):
            own.sendto(b"?", own.getsockname())
            busy(5_000_000)
            _, ((_, _, stamp),), _, _ = own.recvmsg(1, 64)
            seconds, ns = struct.unpack("@qq", stamp)
            if time.time_ns() - seconds * 1_000_000_000 - ns >= 5_000_000:
                return
    pytest.fail("this kernel does not stamp what arrives")


def test_lateness_is_from_the_stamp_to_the_kernels_time(peer: Peer) -> None:
    until_the_kernel_stamps_what_arrives()
    watcher = Watcher(peer, Reference(small_clip()), window := Window(measuring=True))
    sender = sending(MASTER)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        for packet in packets():
            server.sendto(sender.protect(packet), peer.socket.getsockname())
    busy(1_000_000_000)  # what the reader does with its time does not count
    watcher.on_readable()
    assert window.late.count == 6
    p100 = window.late.quantile_ms(1)
    assert p100 is not None
    assert p100 < 900


def drop(at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda plain: plain[:at] + plain[at + 1 :]


def change(at: int, place: int) -> Callable[[list[bytes]], list[bytes]]:
    def changed(plain: list[bytes]) -> list[bytes]:
        packet = bytearray(plain[at])
        packet[place] ^= 1
        return [*plain[:at], bytes(packet), *plain[at + 1 :]]

    return changed


def first(kind: int, number: int) -> int:
    """The place of the n-th packet of a kind."""
    found = [at for at, packet in enumerate(packets()) if int.from_bytes(packet[8:12], "big") == SSRCS[kind]]
    return found[number]


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (drop(first(VIDEO, 4)), {"missing": 2}),  # a packet, and the picture it was
        (drop(first(VIDEO, 2)), {"missing": 1, "mismatched": 1}),  # a fragment of a keyframe
        (drop(first(AUDIO, 3)), {"missing": 1, "mismatched": 1}),
        (change(first(VIDEO, 5), -1), {"mismatched": 1}),
        (change(first(AUDIO, 5), -1), {"mismatched": 1}),
        (change(first(AUDIO, 5), 1), {"unexpected": 1, "mismatched": 1}),  # another payload type; the next sound is off
        (lambda plain: plain[first(VIDEO, 1) :], {"unexpected": 1}),  # begins without parameter sets
    ],
)
def test_what_is_wrong_is_found(peer: Peer, damage: Callable[[list[bytes]], list[bytes]], wanted: dict[str, int]) -> None:
    found = faults(watched(peer, damage(packets())))
    assert found.keys() == wanted.keys()
    assert all(found[kind] >= times for kind, times in wanted.items())


def test_what_does_not_authenticate_is_found(peer: Peer) -> None:
    peer.incoming = receiving(bytes(28))
    assert faults(watched(peer, packets()[:3])) == {"mismatched": 3}


def test_pictures_refuse_interleaved_mode() -> None:
    with pytest.raises(ValueError, match="25"):
        Pictures().add(b"\x19\x00\x00")


def test_the_floors_packets_are_the_clips(peer: Peer) -> None:
    """Read back from its file, in the file's order."""
    data = dump(small_clip())
    assert data[:4] == b"AWHP"
    assert data.count(NAME) == 6
    at, frames = 4, []
    while at < len(data):
        due, stamp_at = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        groups, packed = int.from_bytes(data[at + 10 : at + 12], "little"), b""
        at += 12
        for _ in range(groups):
            size = int.from_bytes(data[at : at + 4], "little")
            packed += data[at + 8 : at + 8 + size]
            at += 8 + size
        frames.append(due)
        assert packed[stamp_at - len(NAME) : stamp_at] == NAME if stamp_at else NAME not in packed
    assert frames == [message.dts_ms for message in small_clip() if message.frame]


def test_sampled_viewers_are_spread_over_all() -> None:
    assert sampled(3) == {0, 1, 2}
    assert sampled(100, most=4) == {0, 33, 66, 99}


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (lambda plain: plain, {}),
        (drop(first(VIDEO, 4)), {"missing": 1}),
        (drop(first(AUDIO, 6)), {"missing": 1}),  # across the end of 16 bits
        (lambda plain: [*plain, plain[-1]], {"repeated": 1}),
    ],
)
def test_the_native_reader_counts(
    peer: Peer, damage: Callable[[list[bytes]], list[bytes]], wanted: dict[str, int]
) -> None:
    program = native("whep_reader")
    if program is None:
        pytest.skip("no C compiler: every viewer is a sampled one")
    plain = damage(packets())
    reader = NativeReader(program, 5)
    try:
        reader.begin()
        reader.take(peer, 3)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            for packet in [b"\x00\x01stun is not counted", *plain]:
                server.sendto(packet, peer.socket.getsockname())
        result = reader.finish()
    finally:
        reader.close()
    assert {kind: result[kind] for kind in ("missing", "repeated", "unexpected", "closed") if result[kind]} == wanted
    assert result["packets"] == len(plain)
    assert result["bytes"] == sum(map(len, plain))
    moment, pictures = result["viewers"]["3"]
    assert pictures == sum(packet[1] == H264[-1] | 128 for packet in plain)
    assert abs(moment - time.time_ns()) < 20_000_000_000
