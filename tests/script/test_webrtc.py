"""WebRTC sessions on tapes and in replays: decrypted packets at one seam, everything above it as it is."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import arcly_actors as arcly
from arcly_actors import limits
from arcly_actors.bus.events import Event, PublishHeld, SubscriberJoined
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.feedback import Nack, Pli
from arcly_actors.protocols.rtp.reporting import ReceiverReport
from arcly_actors.runtime.virtual_loop import VirtualDeadlock
from arcly_actors.script import Record, Script, ScriptError, read_file
from arcly_actors.script import edit as editing
from arcly_actors.script.compare import compare
from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport
from arcly_actors.script.packets import asks, timeless
from arcly_actors.script.replay import replay
from arcly_actors.script.show import text
from arcly_actors.script.virtual import run_engine
from arcly_actors.transport import dtls, dtls_client
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.srtp_batch import SharedPackets
from tests.protocols.webrtc.offers import recorded
from tests.support.streams import clip
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
WHIP, WHEP = SCRIPTS / "chromium-whip.jsonl", SCRIPTS / "chromium-whep.jsonl"
LOSSY, JOIN = SCRIPTS / "lossy-whip.jsonl", SCRIPTS / "whep-mid-gop.jsonl"
PEER = Address("192.0.2.7", 7000)


def kinds(script: Script) -> Counter[str]:
    return Counter(record.kind for record in script.records)


def events(records: tuple[Record, ...]) -> list[str]:
    return [record.fields["what"] for record in records if record.kind == "event"]


class Client:
    """An HTTP client of a virtual engine, and the sessions that it opens."""

    def __init__(self, engine: arcly.Engine, network: ScriptedNetwork, port: int) -> None:
        self.network = network
        self.answer = b""
        where = engine.addresses["http"][0]
        made = network.connect((where.host, where.port), Address("192.0.2.1", port))
        assert made is not None
        self.connection: ScriptedTransport = made
        made.heard = self._hear

    def _hear(self, data: bytes) -> None:
        self.answer += data

    async def ask(self, method: str, path: str, body: str = "") -> bytes:
        """The answer."""
        self.answer = b""
        head = f"{method} {path} HTTP/1.1\r\nHost: there\r\nContent-Type: application/sdp"
        self.connection.feed(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await pass_time(50 * NS_PER_MS)
        return self.answer

    def header(self, name: bytes) -> bytes:
        return self.answer.partition(name + b": ")[2].partition(b"\r\n")[0]

    @property
    def ufrag(self) -> str:
        """Which names the session in its answer."""
        return self.answer.partition(b"a=ice-ufrag:")[2].partition(b"\r\n")[0].decode()


# --- an engine in virtual time ---


def test_nothing_below_the_seam_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    script = read_file(JOIN)
    replay(script)  # what is imported when first used is imported now

    def never(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError("a replay has no sockets, threads or keys")

    places: list[tuple[Any, str]] = [(socket, "socket"), (threading.Thread, "start"), (dtls.Identity, "__init__")]
    for owner, name in (*places, (dtls.DtlsServer, "__init__"), (dtls_client.DtlsClient, "__init__")):
        monkeypatch.setattr(owner, name, never)
    assert replay(script).divergence is None


@pytest.mark.parametrize("how", ["DELETE", "the peer"])
def test_a_session_lives_and_ends_without_a_tape(how: str) -> None:
    network = ScriptedNetwork()
    seen: list[Event] = []

    async def scenario(engine: arcly.Engine) -> list[bytes]:
        engine.events.observable.subscribe(seen.append)
        client = Client(engine, network, 5)
        answer = await client.ask("POST", "/live/cam/whip", recorded("chromium-156-whip-h264"))
        assert answer.startswith(b"HTTP/1.1 201")
        assert client.header(b"Server") == b"arcly_actors"
        session = network.peers.sessions[client.ufrag]
        heard: list[bytes] = []
        session.heard = heard.append
        assert not session.send_rtcp(b"too early")
        session.arrive(b"too early")
        assert session.figures.dropped["not-connected"] == 2
        session.connect(PEER)
        await pass_time(2500 * NS_PER_MS)
        if how == "DELETE":
            assert (await client.ask("DELETE", client.header(b"Location").decode())).startswith(b"HTTP/1.1 200")
        else:
            session.end("it went away")
            await pass_time(100 * NS_PER_MS)
        assert network.peers.sessions == {}
        client.connection.lose()
        return heard

    heard = run_engine(scenario, network=network)
    reports = [packet for data in heard for packet in rtcp.parse(data) if isinstance(packet, ReceiverReport)]
    assert len(reports) == 2
    reason = "the publisher left" if how == "DELETE" else "it went away"
    assert [event.reason for event in seen if isinstance(event, PublishHeld)] == [reason]


def test_sessions_that_nobody_connects_to_end_by_themselves() -> None:
    network = ScriptedNetwork()

    async def scenario(engine: arcly.Engine) -> None:
        client = Client(engine, network, 5)
        await client.ask("POST", "/live/cam/whip", recorded("chromium-156-whip-h264"))
        assert network.peers.sessions
        await pass_time(60000 * NS_PER_MS)
        assert network.peers.sessions == {}
        client.connection.lose()

    run_engine(scenario, network=network)


def test_sound_is_transcoded_inline_and_the_same_twice() -> None:
    made = clip(CodecId.H264, CodecId.AAC)

    def watched() -> list[tuple[int, bytes]]:
        network = ScriptedNetwork()

        async def scenario(engine: arcly.Engine) -> list[tuple[int, bytes]]:
            clock = engine.built.system.clock
            heard: list[tuple[int, bytes]] = []
            async with engine.publish("live/cam", made.tracks) as publisher:
                client = Client(engine, network, 5)
                await client.ask("POST", "/live/cam/whep", recorded("chromium-156-whep"))
                session = network.peers.sessions[client.ufrag]
                session.heard = lambda packet: heard.append((clock.monotonic_ns(), packet))
                session.connect(PEER)
                began = clock.monotonic_ns()
                for frame in made.play(1):
                    await pass_time(max(0, began + frame.dts - clock.monotonic_ns()))
                    publisher.send(frame)
                await pass_time(100 * NS_PER_MS)
                client.connection.lose()
            return heard

        return run_engine(scenario, network=network)

    first, second = watched(), watched()
    assert first == second
    types = Counter(rtp.parse(data).payload_type for _, data in first if not rtp.is_rtcp(data))
    assert len(types) == 2, "pictures, and sound as Opus"
    assert types[111] > 30


def test_waiting_for_what_cannot_come_is_a_deadlock() -> None:
    """A port without sessions has nothing to look after, so an idle engine is idle."""

    async def scenario(_engine: arcly.Engine) -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock):
        run_engine(scenario)


# --- tapes ---


def test_draws_of_other_sessions_are_not_on_a_tape() -> None:
    """A replay draws by size: what another stream's session drew would become this one's secret name."""
    network = ScriptedNetwork()
    offer = recorded("chromium-156-whip-h264")
    records: list[Record] = []
    locations: list[bytes] = []

    async def scenario(engine: arcly.Engine) -> None:
        kept = Client(engine, network, 4)
        async with engine.tape("live/cam") as tape:
            for port, path in ((5, "/live/a/whip"), (6, "/live/cam/whip"), (7, "/live/b/whip")):
                client = Client(engine, network, port)
                assert (await client.ask("POST", path, offer)).startswith(b"HTTP/1.1 201"), path
                locations.append(client.header(b"Location"))
            busy = await kept.ask("POST", "/live/cam/whip", offer)  # on a connection from before
            assert busy.startswith(b"HTTP/1.1 409")
            ending = Client(engine, network, 8)
            assert (await ending.ask("DELETE", locations[1].decode())).startswith(b"HTTP/1.1 200")
            tape.stop()
            records.extend([record async for record in tape])

    run_engine(scenario, network=network)
    sessions = [record.who for record in records if record.kind == "session"]
    opened = {record.who: record.fields["peer"] for record in records if record.kind == "open"}
    assert list(opened.values()) == ["192.0.2.1:6", "192.0.2.1:8"], "the DELETE had a connection of its own"
    assert sessions == [f"{next(iter(opened))}.whip"]
    drawn = Counter(len(record.fields["bytes"]) // 2 for record in records if record.kind == "draw")
    assert (drawn[18], drawn[6], drawn[8], drawn[4]) == (2, 1, 1, 1), "one session's"


def test_an_idle_connection_does_not_keep_a_tape_back() -> None:
    """As a browser's, which opens some that it may need later."""
    network = ScriptedNetwork()

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/cam") as tape:
            idle = Client(engine, network, 4)
            client = Client(engine, network, 5)
            await client.ask("POST", "/live/cam/whip", recorded("chromium-156-whip-h264"))
            records = aiter(tape)
            waiting = asyncio.ensure_future(anext(records))
            await pass_time(limits.TAPE_UNDECIDED_FOR - NS_PER_S)
            seen = [await waiting]  # a draw of the engine's start
            while seen[-1].kind != "session":
                seen.append(await anext(records))
            assert [record.fields["peer"] for record in seen if record.kind == "open"] == ["192.0.2.1:5"]
            assert tape.ignored == 1
            for each in (idle, client):
                each.connection.lose()

    run_engine(scenario, network=network)


def test_without_payload_packets_are_told_by_their_digests() -> None:
    script = read_file(WHEP)
    told = tuple(record.hashed() if record.kind.endswith("-out") else record for record in script.records)
    hidden = replace(script, records=told)
    assert replay(hidden).divergence is None
    assert replay(replace(hidden, head=replace(hidden.head, exact=False))).divergence is None
    with pytest.raises(ScriptError, match="can be looked at, not replayed"):
        replay(editing.redact(script))


def test_a_session_that_is_taped_sends_by_itself() -> None:
    """And nobody else does anything else for its sake: its crowd has it among those that are looked at singly."""
    script = read_file(WHEP)
    network = ScriptedNetwork()
    offer = next(r.data for r in script.records if r.kind == "in" and b"v=0" in (r.data or b"")) or b""

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.publish("live/cam", clip(CodecId.H264, None).tracks), engine.tape() as tape:
            client = Client(engine, network, 5)
            await client.ask("POST", "/live/cam/whep", offer[offer.index(b"v=0") :].decode())
            session = network.peers.sessions[client.ufrag]
            heard: list[bytes] = []
            session.heard = heard.append
            session.connect(PEER)
            assert session.station is None
            packets = [b"\x80\x60" + bytes(18), b"\x80\x60" + bytes(28)]
            assert session.crowd.rank([session]).send(SharedPackets(packets)) == []
            assert heard == packets
            tape.stop()
            assert [r.data async for r in tape if r.kind == "rtp-out"] == packets
            client.connection.lose()

    run_engine(scenario, network=network)


# --- comparing ---


def altered(script: Script, kind: str, number: int, change: Callable[[bytes], bytes]) -> Script:
    index = [at for at, record in enumerate(script.records) if record.kind == kind][number]
    record = script.records[index]
    other = replace(record, data=change(record.data or b""))
    return replace(script, records=(*script.records[:index], other, *script.records[index + 1 :]))


def another_payload(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def another_send_time(data: bytes) -> bytes:
    packet = rtp.parse(data)
    assert packet.extensions
    (number, value), *others = packet.extensions
    return rtp.build(packet._replace(extensions=((number, another_payload(value)), *others)))


@pytest.mark.parametrize("exact", [True, False])
def test_a_changed_packet_is_a_difference_with_its_lane(*, exact: bool) -> None:
    script = read_file(WHEP)
    script = replace(script, head=replace(script.head, exact=exact))
    made = replay(script).records
    found = compare(altered(script, "rtp-out", 20, another_payload), made)
    assert found is not None
    assert found.lane.startswith("the RTP to http-1.whep")
    assert found.expected is not None
    assert found.expected.line == [r.line for r in script.records if r.kind == "rtp-out"][20]
    found = compare(altered(script, "rtp-out", 20, another_send_time), made)
    assert (found is not None) is exact, "when a packet left is compared of settled scripts only"


def test_of_a_recordings_rtcp_the_requests_for_keyframes_are_compared() -> None:
    script = read_file(LOSSY)
    script = replace(script, head=replace(script.head, exact=False))
    made = replay(script).records
    reports = [at for at, r in enumerate(x for x in script.records if x.kind == "rtcp-out") if not asks(r.data)]
    assert compare(altered(script, "rtcp-out", reports[3], another_payload), made) is None
    index = next(at for at, r in enumerate(script.records) if r.kind == "rtcp-out" and asks(r.data) == "PLI")
    without = replace(script, records=(*script.records[:index], *script.records[index + 1 :]))
    found = compare(without, made)
    assert found is not None
    assert found.lane == "the RTCP to http-1.whip"


def test_what_a_packet_asks_for() -> None:
    assert asks(rtcp.build(Pli(1, 2))) == "PLI"
    assert asks(rtcp.build(Pli(1, 2), Nack(1, 2, (5, 6, 40)))) == "PLI NACK 3"
    assert asks(rtcp.build(ReceiverReport(1, ()))) == ""
    assert asks(b"\x80") == asks(None) == ""
    cut = Record(0, "rtp-out", {"who": "a"}, b"\x90")
    assert timeless(cut) == cut, "what is no packet is compared as it is"


# --- faults ---


def test_lost_packets_are_asked_for_and_then_a_keyframe_is() -> None:
    script = read_file(WHIP)
    made = [replay(editing.apply(script, [editing.loss(0.15)], seed)).records for seed in (7, 7, 8)]
    assert made[0] == made[1] != made[2]
    asked = [asks(record.data) for record in made[0] if record.kind == "rtcp-out"]
    assert "PLI" in asked
    assert any(each.startswith("NACK") for each in asked)
    assert "KeyframeRequested" in events(made[0])


def test_jitter_lets_packets_overtake_each_other() -> None:
    script = read_file(WHIP)
    late = editing.apply(script, [editing.jitter(30_000_000)], 3)
    before, after = ([r.data for r in each.records if r.kind == "rtp-in"] for each in (script, late))
    assert before != after
    assert sorted(before, key=bytes) == sorted(after, key=bytes)  # type: ignore[arg-type]  # they were kept
    frames = [record for record in replay(late).records if record.kind == "frame"]
    assert len(frames) > 0.9 * kinds(script)["frame"]


def test_a_session_is_disconnected_and_its_http_connection_is_not() -> None:
    script = read_file(WHIP)
    made = replay(editing.apply(script, [editing.disconnect(3 * NS_PER_S, "http-1.whip")])).records
    held = [record for record in made if record.get("what") == "PublishHeld"]
    assert [(record.at, record.fields["with"]["reason"]) for record in held] == [(3 * NS_PER_S, "the peer is silent")]
    assert any((record.data or b"").startswith(b"HTTP/1.1 404") for record in made if record.kind == "out")


def test_the_port_crashes_and_takes_its_sessions_along() -> None:
    made = replay(editing.apply(read_file(WHIP), [editing.crash("port", 3 * NS_PER_S)])).records
    assert {"Failed", "ActorRestarted", "PublishHeld"} <= set(events(made))


def test_a_cut_leaves_out_sessions_that_were_open() -> None:
    script = read_file(JOIN)
    late = editing.cut(script, 3 * NS_PER_S)
    assert not any(record.who for record in late.records)
    early = editing.cut(script, 0, 3 * NS_PER_S)
    assert replay(early).divergence is None


# --- what the library shows ---


def test_sessions_outlive_their_actors() -> None:
    for name, protocol in (("crash-whip", "whip"), ("crash-whep", "whep")):
        script = read_file(SCRIPTS / f"{name}.jsonl")
        assert "ActorRestarted" in events(script.records)
        assert kinds(script)["session"] == 1
        assert [r.at for r in script.records if r.kind == "shut" and r.who.endswith(protocol)][-1] > 3 * NS_PER_S
    whole, crashed = (
        [r.data for r in read_file(path).records if r.kind == "rtp-out"] for path in (WHEP, SCRIPTS / "crash-whep.jsonl")
    )
    assert [rtp.parse(data or b"")._replace(extensions=()) for data in whole] == [
        rtp.parse(data or b"")._replace(extensions=()) for data in crashed
    ], "what it missed was sent when its actor was back"


def test_who_joins_in_the_middle_of_a_gop_has_a_keyframe_asked_for_upstream() -> None:
    script = read_file(JOIN)
    joined = next(r.at for r in script.records if r.get("what") == SubscriberJoined.__name__)
    asked = [r for r in script.records if r.kind == "rtcp-out" and "PLI" in asks(r.data) and r.at >= joined]
    assert asked
    assert {record.who for record in asked} == {"http-1.whip"}
    assert kinds(script)["rtp-out"] > 50


def test_requests_are_marked_in_a_diagram() -> None:
    lines = list(text(read_file(LOSSY)))
    assert any(line.endswith("rtcp-out  [PLI]") for line in lines)
    assert any("[NACK " in line for line in lines)
    assert any("x rtp-in, " in line for line in lines), "the others are counted"
    gone = editing.apply(read_file(WHIP), [editing.disconnect(3 * NS_PER_S, "http-1.whip")])
    assert any(line.endswith("[CLOSED]") for line in text(gone))
