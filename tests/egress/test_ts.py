"""MPEG-TS as an output: the encoder in its framings, and the outlet that paces datagrams."""

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.paced_outlet import PacedOutlet
from arcly_actors.egress.ts import DATAGRAM, carries, make_chunked_encoder, make_encoder
from arcly_actors.egress.udp_push import RtpDatagrams
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp.packet import parse
from arcly_actors.runtime import System
from tests.support.transport_streams import media, muxed, read, recorded
from tests.support.virtual import in_virtual_time, pass_time

TRACKS, FRAMES = media(read(recorded("h264_aac.ts")))


class Wire:
    """Takes datagrams with the times at which they were sent."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.sent: list[tuple[int, bytes]] = []

    def send(self, data: bytes | memoryview) -> None:
        self.sent.append((self._system.clock.monotonic_ns(), bytes(data)))


def test_entries_are_whole_packets_and_chunks_hold_the_same() -> None:
    plain, chunked = make_encoder(), make_chunked_encoder()
    for encoder in (plain, chunked):
        encoder.follow(TRACKS)
        assert encoder.opening(TRACKS, {}, 0) == b""
        assert encoder.configuration(TRACKS[0], 0) == b""
    for frame in FRAMES:
        data, chunk = plain.frame(frame), chunked.frame(frame)
        assert data
        assert len(data) % 188 == 0
        assert chunk == b"%x\r\n" % len(data) + data + b"\r\n"
    assert (plain.ending(), chunked.ending()) == (b"", b"0\r\n\r\n")
    other = Track(9, CodecId.VP8)
    assert chunked.frame(FRAMES[0].__class__(other, 0, 0, b"x")) == b""  # and no last chunk


def test_what_can_be_carried() -> None:
    assert carries((Track(0, CodecId.VP8), Track(1, CodecId.AAC)))
    assert carries((Track(0, CodecId.KLV),))
    assert carries((Track(1, CodecId.PCMA),))  # made into AAC on the way
    assert not carries((Track(0, CodecId.VP9),))
    assert not carries(())


@in_virtual_time
async def test_a_keyframe_is_spread_and_a_small_frame_is_not(system: System) -> None:
    wire = Wire(system)
    outlet = PacedOutlet(system, wire)
    outlet.write(bytes(188 * 3))
    assert [len(data) for _, data in wire.sent] == [188 * 3]
    wire.sent.clear()
    start = system.clock.monotonic_ns()
    outlet.write(bytes(100 * DATAGRAM))
    await pass_time(100 * NS_PER_MS)
    assert sum(len(data) for _, data in wire.sent) == 100 * DATAGRAM
    times = [at - start for at, _ in wire.sent]
    assert 36 * NS_PER_MS <= times[-1] <= 40 * NS_PER_MS
    assert max(times.count(at) for at in times) <= 6  # datagrams at once
    assert outlet.pending == 0


@in_virtual_time
async def test_what_comes_faster_leaves_faster(system: System) -> None:
    wire = Wire(system)
    outlet = PacedOutlet(system, wire, 188)
    for _ in range(5):
        outlet.write(bytes(188 * 100))
        await pass_time(10 * NS_PER_MS)
    await pass_time(80 * NS_PER_MS)
    assert len(wire.sent) == 500
    assert all(len(data) == 188 for _, data in wire.sent)


@in_virtual_time
async def test_at_the_end_all_leaves_and_after_it_nothing(system: System) -> None:
    wire = Wire(system)
    outlet = PacedOutlet(system, wire)
    data = muxed(TRACKS, FRAMES)
    outlet.write(data)
    outlet.drain()
    assert b"".join(sent for _, sent in wire.sent) == data
    outlet.write(bytes(188 * 50))
    outlet.close()
    sent = len(wire.sent)
    outlet.write(bytes(188))
    await pass_time(100 * NS_PER_MS)
    assert (len(wire.sent), outlet.closed) == (sent, True)


@in_virtual_time
async def test_rtp_numbers_and_times_its_datagrams(system: System) -> None:
    wire = Wire(system)
    datagrams = RtpDatagrams(wire, system.clock, 7, 0xFFFF)
    datagrams.send(memoryview(bytes(188)))
    await pass_time(10 * NS_PER_MS)
    datagrams.send(bytes(188))
    first, second = (parse(data) for _, data in wire.sent)
    assert (first.payload_type, first.ssrc, first.sequence, second.sequence) == (33, 7, 0xFFFF, 0)
    assert second.timestamp - first.timestamp == 900
    assert first.payload == bytes(188)
