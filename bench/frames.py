"""`python -m bench.frames`: what a frame costs on the way that all its viewers share, in virtual time without sockets.

One engine on a scripted network is sent a stream of pictures and sounds, each by itself as encoders send them. What is
told is Python calls for each frame, which are the same in every run, and CPU time, which finds the caches warm.
"""

import argparse
import asyncio
import sys
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Any, Literal

import arcly_actors as arcly
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy
from arcly_actors.egress.rtp_feed import RtpFeed
from arcly_actors.media import avc
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.outgoing import packets
from arcly_actors.protocols.rtp.payload.aac import AacPacketiser
from arcly_actors.protocols.rtp.payload.h264 import H264Packetiser
from arcly_actors.protocols.rtsp.message import write_interleaved
from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport
from arcly_actors.script.virtual import run_engine
from arcly_actors.transport.addresses import Address
from bench.tables import Column, columns
from bench.wire import CHUNK, amf, chunked

_KEY = "live/bench"
_SPS, _PPS = b64decode("Z0LADNoKN+SEAAADAAQAAAMAeDxQqoA="), b64decode("aM48gA==")
_AVCC, _AAC = avc.write_configuration([_SPS], [_PPS]), b"\x11\x90"
_PICTURE, _KEYFRAME, _SOUND = 10_000, 60_000, 340  # bytes: 2.6 Mb/s and 128 kb/s
_PICTURES, _GOP, _SOUND_MS = 30, 60, 21  # a second, pictures, milliseconds
_WARM_UP, _COUNTED, _TIMED = 200, 400, 2000  # frames
_TURNS = 4  # of the loop, in which all that follows from a frame is done
_RTMP, _RTSP = 1935, 8554
_ENDPOINTS = {
    "rtmp": {"listen": f"127.0.0.1:{_RTMP}"},
    "rtsp": {"listen": f"127.0.0.1:{_RTSP}", "udp_ports": {"rtp": 8000, "rtcp": 8001}},
    **{name: {"enabled": False} for name in ("http", "srt", "webrtc")},
}

Way = Literal["rtmp", "rtsp"]


@dataclass(frozen=True, slots=True)
class Case:
    """How the stream comes in, and whether it is made into RTP packets as for WHEP."""

    name: str
    way: Way
    feed: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """Python calls and CPU nanoseconds per frame; `functions` has the calls of each one over all frames counted."""

    case: Case
    calls: float
    cpu: float
    functions: Counter[str]


CASES = (
    Case("RTMP", "rtmp"),
    Case("RTMP, RTP feed", "rtmp", feed=True),
    Case("RTSP over TCP", "rtsp"),
)


def stream() -> Iterator[MediaFrame]:
    """Pictures and sounds for ever; what is in them does not matter to anyone on the way."""
    entropy = SeededEntropy(5)
    noise = entropy.random_bytes(_KEYFRAME)
    video, audio = Track(0, CodecId.H264, _AVCC), Track(1, CodecId.AAC, _AAC, sample_rate=48_000, channels=2)
    picture = sound = 0
    while True:
        shown, heard = picture * 1000 // _PICTURES, sound * _SOUND_MS
        if heard < shown:
            yield MediaFrame(audio, heard * NS_PER_MS, heard * NS_PER_MS, noise[:_SOUND], keyframe=True)
            sound += 1
            continue
        key = picture % _GOP == 0
        unit = (b"\x65\x88" if key else b"\x41\x9a") + noise[: _KEYFRAME if key else _PICTURE]
        yield MediaFrame(video, shown * NS_PER_MS, shown * NS_PER_MS, len(unit).to_bytes(4) + unit, keyframe=key)
        picture += 1


class RtmpSender:
    """The bytes of a publisher over RTMP that waits for no answer."""

    port = _RTMP

    def opening(self) -> list[bytes]:
        """What comes before the first frame, step by step."""
        details = {"app": "live", "tcUrl": f"rtmp://127.0.0.1:{_RTMP}/live"}
        video, audio = b"\x17\x00\x00\x00\x00" + _AVCC, b"\xaf\x00" + _AAC
        return [
            b"\x03" + bytes(1536),
            bytes(1536) + chunked(2, 1, CHUNK.to_bytes(4)),
            bytes(chunked(3, 20, amf("connect", 1, details))),
            bytes(chunked(3, 20, amf("createStream", 2, None))),
            bytes(chunked(8, 20, amf("publish", 3, None, "bench", "live"), message_stream=1)),
            bytes(chunked(6, 9, video, message_stream=1) + chunked(4, 8, audio, message_stream=1)),
        ]

    def write(self, frame: MediaFrame) -> bytes:
        """A frame's message."""
        if frame.track.id:
            message = chunked(4, 8, b"\xaf\x01" + frame.payload, message_stream=1)
        else:
            head = b"\x17\x01\x00\x00\x00" if frame.keyframe else b"\x27\x01\x00\x00\x00"
            message = chunked(6, 9, head + frame.payload, message_stream=1)
        message[1:4] = (frame.dts // NS_PER_MS).to_bytes(3)
        return bytes(message)


class RtspSender:
    """The same over RTSP, with the packets in the connection."""

    port = _RTSP

    def __init__(self) -> None:
        self._packetisers = (H264Packetiser(), AacPacketiser())
        self._rates = (90_000, 48_000)
        self._sequences = [0, 0]

    def opening(self) -> list[bytes]:
        """See `RtmpSender.opening`."""
        body = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LADNoKN+SEAAADAAQAAAMAeDxQqoA=,aM48gA==\r\n"
            "a=control:0\r\n"
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\n"
            "a=fmtp:97 mode=AAC-hbr; config=1190; sizelength=13; indexlength=3; indexdeltalength=3\r\na=control:1\r\n"
        )
        return [
            self._request("ANNOUNCE", "", 1, "Content-Type: application/sdp\r\n", body),
            self._request("SETUP", "/0", 2, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n"),
            self._request("SETUP", "/1", 3, "Transport: RTP/AVP/TCP;unicast;interleaved=2-3;mode=record\r\n"),
            self._request("RECORD", "", 4),
        ]

    def write(self, frame: MediaFrame) -> bytes:
        """A frame's packets."""
        track = frame.track.id
        chunks = self._packetisers[track].packetise(frame)
        ticks = frame.dts * self._rates[track] // (1000 * NS_PER_MS)
        made = packets(7 + track, 96 + track, self._sequences[track], ticks, chunks)
        self._sequences[track] += len(made)
        return b"".join(write_interleaved(2 * track, each) for each in made)

    def _request(self, method: str, below: str, number: int, fields: str = "", body: str = "") -> bytes:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return (
            f"{method} rtsp://127.0.0.1/{_KEY}{below} RTSP/1.0\r\nCSeq: {number}\r\n{fields}{length}\r\n{body}".encode()
        )


class _Sending:
    """A stream on its way into an engine, frame by frame, at its own pace."""

    def __init__(self, transport: ScriptedTransport, write: Callable[[MediaFrame], bytes]) -> None:
        self._transport = transport
        self._write = write
        self._frames = stream()
        self._last = 0
        self.spent = 0  # CPU nanoseconds

    def ready(self, count: int) -> Coroutine[Any, Any, None]:
        """So many frames, written, to be sent and dealt with by the engine one by one."""
        return self._send([(frame.dts, self._write(frame)) for frame in islice(self._frames, count)])

    async def _send(self, made: Sequence[tuple[int, bytes]]) -> None:
        for dts, data in made:
            await asyncio.sleep(max(0, dts - self._last) / NS_PER_S)
            self._last = dts
            began = time.thread_time_ns()
            self._transport.feed(data)
            self.spent += time.thread_time_ns() - began
            await turns()


async def turns() -> None:
    """Let the engine do what is to be done now."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def measure(case: Case, timed: int = _TIMED) -> Cost:
    """Run a case; without frames that are `timed` there is no CPU time."""
    network = ScriptedNetwork()

    async def scenario(engine: arcly.Engine) -> Cost:
        sender = RtmpSender() if case.way == "rtmp" else RtspSender()
        transport = network.connect(("127.0.0.1", sender.port), Address("127.0.0.1", 50_000))
        assert transport is not None
        for part in sender.opening():
            transport.feed(part)
            for _ in range(_TURNS):
                await turns()
        sending = _Sending(transport, sender.write)
        await sending.ready(_WARM_UP)
        channel = engine.built.bus.channel(StreamKey.parse(_KEY))
        assert channel is not None
        with ExitStack() as stack:
            if case.feed:
                feed = RtpFeed(engine.built.system, channel, frozenset({CodecId.H264, CodecId.AAC}))
                stack.callback(feed.close)
            head = channel.log.head
            functions = await counted(sending.ready(_COUNTED))
            assert channel.log.head - head == _COUNTED, f"{channel.log.head - head} frames of {_COUNTED} arrived"
            sending.spent = 0
            await sending.ready(timed)
        return Cost(case, functions.total() / _COUNTED, sending.spent / timed if timed else 0.0, functions)

    topology = arcly.Topology.model_validate({"endpoints": _ENDPOINTS})
    return run_engine(scenario, topology, network=network)


async def counted(work: Any) -> Counter[str]:
    """The calls of the package's own functions while `work` is awaited; those of its virtual world do not count."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code
            _, found, name = code.co_filename.partition("/arcly_actors/")
            if found and not name.startswith(_WORLD):
                calls[f"{name}:{code.co_qualname}"] += 1

    sys.setprofile(note)
    try:
        await work
    finally:
        sys.setprofile(None)
    return calls


_WORLD = ("script/", "runtime/virtual", "runtime/timer_heap", "clock.py")  # the heap is the virtual loop's here

_COLUMNS: Sequence[Column[Cost]] = (
    ("way", lambda cost: cost.case.name),
    ("Python calls / frame", lambda cost: f"{cost.calls:.1f}"),
    ("CPU µs / frame, warm", lambda cost: f"{cost.cpu / 1000:.0f}"),
)


def main() -> None:
    """Measure each case and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.frames", description=__doc__)
    parser.add_argument("--functions", action="store_true", help="tell which functions are called, too")
    options = parser.parse_args()
    costs = [measure(case) for case in CASES]
    print(columns(_COLUMNS, costs))
    for cost in costs if options.functions else ():
        print(f"\n{cost.case.name}")
        for name, count in cost.functions.most_common():
            print(f"{count / _COUNTED:7.2f}  {name}")


if __name__ == "__main__":
    main()
