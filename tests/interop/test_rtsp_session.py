"""RTSP sessions byte by byte on a real socket: reports, pauses, refusals, and what a stranger sends."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from arcly_actors.bus.events import PublishEnded, SubscriberJoined, SubscriberLeft
from arcly_actors.protocols.rtp import packet, rtcp
from arcly_actors.protocols.rtp.reporting import Bye, ReceiverReport, ReportBlock, SenderReport
from arcly_actors.protocols.rtsp.message import Interleaved, Response, write_interleaved
from arcly_actors.protocols.rtsp.reader import MessageReader
from tests.interop.conftest import ClipFile
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_records
from tests.support.rtsp import request
from tests.support.waiting import until

pytestmark = pytest.mark.interop


class Player:
    """A connection that asks and reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uri: str) -> None:
        self._reader, self.writer = reader, writer
        self._messages = MessageReader()
        self._uri = uri
        self._sequence = 0
        self.frames: list[Interleaved] = []
        self.over = False

    async def next(self) -> Response | Interleaved:
        """What comes next; EOFError at the end."""
        while (message := self._messages.next()) is None:
            data = await asyncio.wait_for(self._reader.read(65536), 10)
            if not data:
                raise EOFError
            self._messages.feed(data)
        assert isinstance(message, Response | Interleaved)
        return message

    async def ask(self, method: str, control: str = "", **fields: str) -> Response:
        """The answer to a request; frames that come before it are kept."""
        self._sequence += 1
        self.writer.write(request(method, self._uri + control, self._sequence, **fields))
        while isinstance(message := await self.next(), Interleaved):
            self.frames.append(message)
        return message

    async def play(self, **fields: str) -> Response:
        """Play both tracks."""
        await self.ask("DESCRIBE")
        for index in range(2):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}"
            await self.ask("SETUP", f"/trackID={index}", **{"Transport": transport, **fields})
        return await self.ask("PLAY")


@contextlib.asynccontextmanager
async def player(server: Live) -> AsyncIterator[Player]:
    """A connection for the length of a block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port("rtsp"))
    try:
        yield Player(reader, writer, server.rtsp())
    finally:
        writer.close()


async def test_a_player_begins_with_reports_and_ends_with_a_bye(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()), player(server) as one:
        assert (await one.play()).status == 200
        first = [await one.next() for _ in range(2)]
        reports = [rtcp.parse(frame.data)[0] for frame in first if isinstance(frame, Interleaved)]
        assert all(isinstance(report, SenderReport) for report in reports)
        assert len({report.ntp for report in reports if isinstance(report, SenderReport)}) == 1
        server.engine.end_stream("live/cam")
        frames = []
        with contextlib.suppress(EOFError):
            while isinstance(message := await one.next(), Interleaved):
                frames.append(message)
        last = [rtcp.parse(frame.data)[-1] for frame in frames[-2:]]
        assert all(isinstance(report, Bye) for report in last)
        await server.event(PublishEnded)


async def test_a_player_is_told_the_packets_that_follow(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()), player(server) as one:
        await server.until_pictures(20)
        answer = await one.play()
        assert answer.fields.get("Range") == "npt=now-"
        told = {}
        for part in answer.fields.get("RTP-Info").split(","):
            url, sequence, timestamp = part.split(";")
            assert url.startswith(f"url={server.rtsp()}/trackID=")
            told[int(url[-1])] = (int(sequence.removeprefix("seq=")), int(timestamp.removeprefix("rtptime=")))
        first: dict[int, tuple[int, int]] = {}
        while first.keys() != {0, 1}:
            message = await one.next()
            assert isinstance(message, Interleaved)
            if message.channel in {0, 2}:
                read = packet.parse(message.data)
                first.setdefault(message.channel // 2, (read.sequence, read.timestamp))
        assert told == first


async def test_what_a_player_did_not_get_is_in_its_figures(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()), player(server) as one:
        await one.play()
        report = ReceiverReport(1, (ReportBlock(2, fraction_lost=64),))
        one.writer.write(write_interleaved(1, rtcp.build(report)) + write_interleaved(3, b"noise"))

        def loss() -> float:
            (seat,) = server.engine.streams()[0].seats
            return seat.qos.loss if seat.qos is not None else 0.0

        await until(lambda: loss() > 0)
        assert loss() == 0.25


async def test_a_pause_stops_the_packets_and_play_begins_at_a_keyframe(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()), player(server) as one:
        await one.play()
        assert (await one.ask("PAUSE")).status == 200
        await server.event(SubscriberLeft)
        one.frames.clear()
        assert (await one.ask("GET_PARAMETER")).status == 200
        one.frames.clear()
        assert (await one.ask("GET_PARAMETER")).status == 200
        assert one.frames == []
        assert (await one.ask("PLAY")).status == 200
        await server.event(SubscriberJoined, 2)
        found: list[Interleaved] = []
        while not [frame for frame in found if frame.channel == 0]:
            message = await one.next()
            assert isinstance(message, Interleaved)
            found.append(message)
        assert found[0].channel in {1, 3}
        payload = packet.parse(found[-1].data).payload
        assert payload[0] & 0x1F in {6, 7, 24}  # parameter sets or what stands before an IDR picture


async def test_a_connection_too_many_is_told_so(clip_file: ClipFile) -> None:
    one_only = {"max_connections": 1}
    async with (
        live(limits=one_only) as server,
        ffmpeg_records(server, clip_file(), server.rtsp()),
        player(server) as one,
    ):
        answer = await one.ask("DESCRIBE")
        assert answer.status == 503
        assert "in use" in answer.reason
        with pytest.raises(EOFError):
            await one.next()


async def test_a_stranger_cannot_put_packets_into_a_stream(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp(), transport="udp"):
        rtp = server.engine.addresses["rtsp-udp"][0]
        before = server.engine.streams()[0].qos.frames
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(500):
                stranger.sendto(
                    packet.build(packet.RtpPacket(96, number, number, 9, b"\x65spoofed", marker=True)),
                    (rtp.host, rtp.port),
                )
        await until(lambda: server.engine.streams()[0].qos.frames > before + 60)
        (report,) = server.engine.streams()
        assert report.dropped_frames == 0
        assert report.qos.frame_rate < 45
