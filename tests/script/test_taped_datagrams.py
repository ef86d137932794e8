"""What a tape makes of datagram sockets on which more is going on than the stream that it records."""

import asyncio
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.runtime.seams import Opened, Tap
from arcly_actors.script import Script, edit, read_file
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.replay import replay
from arcly_actors.script.taped_datagrams import DatagramPeers, DatagramTap, Peer, Recorded
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Http, Topology
from arcly_actors.topology.endpoints import MpegTs
from arcly_actors.transport.addresses import Address
from tests.script.clip import clip, sending
from tests.script.test_dialled import FAR, pictures
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
SECOND = 1_000_000_000


def test_a_tape_that_begins_amid_other_sessions_replays_its_own(tmp_path: Path) -> None:
    """Their datagrams are not on it, and what their sessions drew is not drawn by those that are."""
    path = tmp_path / "one-of-many.jsonl"

    async def scenario(server: arcly.Engine) -> None:
        async with another(server, LOOPBACK) as client, sending(client, "live/before"), sending(client, "live/cam"):
            to = "srt://127.0.0.1:3?streamid=publish:"
            await client.push("live/before", f"{to}live/before")
            await pictures(server, "live/before", 10)
            async with server.tape("live/cam", path) as tape:
                await client.push("live/before", f"{to}live/meanwhile")
                await pictures(server, "live/meanwhile", 10)
                await client.push("live/cam", f"{to}live/cam")
                await pictures(server, "live/cam", 1)
                await client.pull("live/back", "srt://127.0.0.1:3?streamid=read:live/cam")
                await pictures(client, "live/back", 30)
                await pass_time(SECOND)
            assert not tape.lost

    clip()
    run_engine(scenario, FAR, network=ScriptedNetwork(delay=1_000_000))
    script = read_file(path)
    callers = {record.who for record in script.records if record.kind == "open"}
    assert len(callers) == 2
    assert {record.who for record in script.records if record.kind == "datagram"} == callers
    replayed = replay(script)
    assert replayed.divergence is None
    assert sum(record.kind == "sent" for record in replayed.records) > 50


def test_a_feed_that_is_not_the_stream_is_not_on_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    feeds = (
        MpegTs(listen="udp://127.0.0.1:6", key="live/{program}"),
        MpegTs(listen="udp://127.0.0.1:7", key="live/other"),
    )
    topology = Topology(endpoints=FAR.endpoints.model_copy(update={"mpegts": feeds, "http": Http(enabled=False)}))

    async def scenario(server: arcly.Engine) -> None:
        async with server.tape("live/1", path), another(server, LOOPBACK) as client, sending(client, "live/cam"):
            for port in (6, 7):
                await client.push("live/cam", f"udp://127.0.0.1:{port}?pkt_size=1316")
            await pictures(server, "live/other", 30)
            await pictures(server, "live/1", 10)

    clip()
    run_engine(scenario, topology)
    script = read_file(path)
    assert {record.fields["on"] for record in script.records if record.kind == "open"} == {"mpegts"}
    assert replay(script).divergence is None


def faulty(script: Script, *faults: str) -> Script:
    read = [edit.read_fault(each, script.duration_ns) for each in faults]
    return replay(edit.apply(script, read, seed=3)).settled()


def test_a_port_that_crashes_comes_back_and_its_sessions_do_not() -> None:
    crashed = faulty(read_file(SCRIPTS / "ffmpeg-srt.jsonl"), "crash srt-port@1s")
    happened = [record.fields["what"] for record in crashed.records if record.kind == "event"]
    assert "ActorRestarted" in happened
    assert "PublishHeld" in happened
    at = next(record.at for record in crashed.records if record.get("what") == "ActorRestarted")
    assert max(record.at for record in crashed.records if record.kind == "sent" and record.who == "srt-1") <= at


def test_rtp_goes_on_when_its_ports_have_come_back() -> None:
    crashed = faulty(read_file(SCRIPTS / "ffmpeg-rtsp-udp.jsonl"), "crash rtp-ports@1s")
    at = next(record.at for record in crashed.records if record.get("what") == "ActorRestarted")
    whole = read_file(SCRIPTS / "ffmpeg-rtsp-udp.jsonl")
    counts = [sum(record.kind == "sent" and record.at > at for record in each.records) for each in (whole, crashed)]
    assert 0.8 * counts[0] < counts[1] <= counts[0]
    assert [record.who for record in crashed.records if record.kind == "open"] == [
        record.who for record in whole.records if record.kind == "open"
    ]


class Heard:
    """A tap's tape: everybody is somebody, but for port 9."""

    def __init__(self) -> None:
        self.put_down: list[tuple[str, str]] = []

    def came(self, decision: Recorded, kind: str, fields: dict[str, str], data: bytes | None = None) -> None:
        self.put_down.append((kind, fields["who"]))

    def put(self, source: Recorded | None, kind: str, fields: dict[str, str], data: bytes | None = None) -> None:
        self.put_down.append((kind, fields["who"]))

    def drawing(self, decision: Recorded | None) -> None:
        """Nothing is drawn."""

    def datagram_peer(self, on: str, address: Address) -> Peer | None:
        who = f"{on} {address.port}"
        return None if address.port == 9 else Peer(who, Recorded(who, wanted=address.port != 8))


class Socket:
    taps: tuple[Tap, ...] = ()
    bound = Address("127.0.0.1", 1)

    def poke(self) -> None:
        """Nobody reads."""


def test_a_tap_hears_of_those_that_belong_and_came_after_it() -> None:
    heard, passed = Heard(), []
    tap = DatagramTap(heard, Opened("srt", Socket(), lambda: ()), [("127.0.0.1", 7)])
    deliver = tap.hearing(lambda data, source, local: passed.append((bytes(data), source[1])))
    for port in (7, 8, 9, 10, 10):
        deliver(memoryview(b"in"), ("127.0.0.1", port), b"")
        tap.went(b"out", ("127.0.0.1", port))
    assert passed == [(b"in", port) for port in (7, 8, 9, 10, 10)]
    assert [tap.hears(("127.0.0.1", port)) for port in (7, 8, 9, 10)] == [False, False, False, True]
    assert [kind for kind, who in heard.put_down if who == "srt 10"] == ["open", "datagram", "sent", "datagram", "sent"]
    assert {who for _, who in heard.put_down} <= {"srt 8", "srt 10"}


def test_who_tells_nothing_of_a_stream_in_time_is_settled() -> None:
    later = []
    settled: list[Recorded] = []
    peers = DatagramPeers(
        lambda on: None if on == "srt" else on == "mpegts",
        lambda on, address: f"{on}-{address.port}",
        {},
        lambda delay, call: later.append((delay, call)),
        settled.append,
    )
    caller = peers.find("srt", Address("192.0.2.1", 5))
    assert caller is not None
    assert caller is peers.find("srt", Address("192.0.2.1", 5))
    assert peers.find("mpegts-2", Address("192.0.2.1", 5)) is None
    feed = peers.find("mpegts", Address("192.0.2.1", 0))
    assert feed is not None
    assert feed.decision.wanted
    ((delay, call),) = later
    assert delay > 5
    call()
    assert settled == [caller.decision]
    assert peers.find("rtsp-rtp", Address("192.0.2.1", 6)) is None
    peers.by_peer["192.0.2.1:7"] = owner = Recorded("rtsp-1", wanted=True)
    peers.beside([("192.0.2.1", 6)], "192.0.2.1:7")
    beside = peers.find("rtsp-rtp", Address("192.0.2.1", 6))
    assert beside == Peer("rtsp-rtp-6", owner)
    assert beside is peers.find("rtsp-rtp", Address("192.0.2.1", 6))
    peers.by_peer["192.0.2.1:8"] = other = Recorded("rtsp-2", wanted=False)
    peers.beside([("192.0.2.1", 6)], "192.0.2.1:8")  # another session has that port now
    assert peers.find("rtsp-rtp", Address("192.0.2.1", 6)) == Peer("rtsp-rtp-6", other)
    peers.beside([("192.0.2.1", 6)], "192.0.2.1:9")
    assert peers.find("rtsp-rtp", Address("192.0.2.1", 6)) is None


@pytest.mark.parametrize("listens", ["127.0.0.1", "::"])
def test_a_caller_is_named_as_the_socket_that_hears_it_names_callers(listens: str) -> None:
    """A cookie is made of that name."""
    network, heard = ScriptedNetwork(), []
    socket = network.bind((listens, 5))

    async def scenario(_engine: arcly.Engine) -> None:
        def read() -> None:
            socket.read(lambda data, source, _local: heard.append((bytes(data), source)))

        socket.start(read)
        assert network.send(b"one", (listens, 5), Address("192.0.2.1", 7))
        assert network.send(b"two", (listens, 5), Address("192.0.2.1", 7))
        assert not network.send(b"lost", (listens, 6), Address("192.0.2.1", 7))
        assert heard == []
        await asyncio.sleep(0)
        socket.pause()
        network.send(b"three", (listens, 5), Address("192.0.2.1", 7))
        await asyncio.sleep(0)
        assert [data for data, _ in heard] == [b"one", b"two"]

    run_engine(scenario, FAR)
    assert heard[0][1] == (("192.0.2.1", 7) if listens != "::" else ("::ffff:192.0.2.1", 7, 0, 0))
    with pytest.raises(arcly.ConfigurationError, match="another endpoint has it"):
        network.bind((listens, 5))
    socket.close()
    assert network.bind((listens, 5)).bound == Address(listens, 5)
