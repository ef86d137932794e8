"""MPEG-TS on one core: how fast it is read and written, and what the reader adds in latency. No sockets, no actors.

`measure()` is what `python -m bench ts` prints, and what other benches call. The stream is made here: H.264 as an encoder
of 8 Mb/s sends it (25 pictures a second, a keyframe each 2 s ten times as large) with AAC, by our own muxer, repeated to
the size that is asked for with its times and counters going on.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.media import aac, avc, nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.demuxer import TsDemuxer
from arcly_actors.media.mpegts.muxer import TsMuxer

DATAGRAM = 1316
NS = 1_000_000_000
_SPS = bytes.fromhex("6764001facd9405005bb011000000300100000030320f18319 60".replace(" ", ""))
_PPS = bytes.fromhex("68efbcb0")


@dataclass(frozen=True, slots=True)
class TsFigures:
    """Megabits of transport stream per second of one core; latencies in frames of the stream."""

    demux: float
    read: float
    mux: float
    latency_frames: float
    megabytes: float


def frames(seconds: int, rate: int = 8_000_000, seed: int = 1) -> tuple[tuple[Track, ...], Iterator[MediaFrame]]:
    """Tracks, and their frames in order."""
    chance = random.Random(seed)
    video = describe(Track(0, CodecId.H264, avc.write_configuration((_SPS,), (_PPS,))))
    audio = describe(Track(1, CodecId.AAC, aac.write_configuration(48_000, 2)))
    plain = rate // 8 // 25 * 50 // 59  # so that a keyframe of ten times as much fits into the rate
    noise = chance.randbytes(10 * plain + 1).replace(b"\x00", b"\x55")

    def made() -> Iterator[MediaFrame]:
        sound = 0
        for number in range(seconds * 25):
            at = number * NS // 25
            key = number % 50 == 0
            size = 10 * plain if key else chance.randint(plain // 2, plain * 3 // 2)
            unit = (b"\x65" if key else b"\x41") + noise[:size]
            units = (_SPS, _PPS, unit) if key else (unit,)
            yield MediaFrame(video, at + 80_000_000, at, nal.join(units), keyframe=key)
            while sound * 1024 * NS // 48_000 <= at:
                when = sound * 1024 * NS // 48_000
                yield MediaFrame(audio, when, when, noise[:340], keyframe=True)
                sound += 1

    return (video, audio), made()


def stream(megabytes: int) -> tuple[bytes, float]:
    """A transport stream of about that size, and the megabits a second at which it was written."""
    tracks, source = frames(megabytes + 2)
    made = list(source)
    muxer = TsMuxer()
    muxer.follow(tracks)
    out = []
    size = 0
    begun = time.process_time()
    for frame in made:
        data = muxer.frame(frame)
        out.append(data)
        size += len(data)
        if size >= megabytes * 1_000_000:
            break
    spent = time.process_time() - begun
    return b"".join(out), size * 8 / spent / 1e6


def latency_frames(data: bytes) -> float:
    """How many frames later than its own last packet the slowest picture comes out, of a stream fed by packets."""
    source, begun, out = TsSource(), list[int](), list[int]()
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        if packet[1] & 0x40 and packet[2] == 0 and packet[1] & 0x1F == 1:
            begun.append(at)
        out += [
            at for _, item in source.receive(packet, 0) if isinstance(item, MediaFrame) and item.track.kind is Kind.VIDEO
        ]
    # Picture n is complete before picture n + 1 begins; what comes out in that packet is at most one frame late.
    late = [sum(1 for start in begun[number + 1 :] if start <= came) for number, came in enumerate(out[1:], 1)]
    return float(max(late))


def measure(megabytes: int = 100) -> TsFigures:
    """Run it all on this thread."""
    data, mux = stream(megabytes)
    demuxer, source = TsDemuxer(), TsSource()
    begun = time.process_time()
    units = sum(len(demuxer.feed(data[at : at + DATAGRAM])) for at in range(0, len(data), DATAGRAM))
    demux = len(data) * 8 / (time.process_time() - begun) / 1e6
    begun = time.process_time()
    items: list[tuple[int, TsItem]] = []
    for at in range(0, len(data), DATAGRAM):
        items += source.receive(data[at : at + DATAGRAM], 0)
    read = len(data) * 8 / (time.process_time() - begun) / 1e6
    told = sum(isinstance(item, TracksGathered) for _, item in items)
    counted = sum(isinstance(item, MediaFrame) for _, item in items)
    if told != 1 or abs(counted - units) > units // 50 or demuxer.counts or source.counts:
        raise AssertionError(f"the stream was not read: {told=} {counted=} {units=} {demuxer.counts} {source.counts}")
    return TsFigures(demux, read, mux, latency_frames(data[: 188 * 20_000]), len(data) / 1e6)


def show(megabytes: int = 100) -> None:
    """Print the figures."""
    found = measure(megabytes)
    print(f"{found.megabytes:.0f} MB in datagrams of {DATAGRAM} bytes, one core")
    print(f"  demultiplex   {found.demux:6.0f} Mb/s")
    print(f"  to frames     {found.read:6.0f} Mb/s")
    print(f"  multiplex     {found.mux:6.0f} Mb/s")
    print(f"  added latency {found.latency_frames:.0f} frame at most")
