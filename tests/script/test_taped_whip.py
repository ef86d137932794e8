"""Pushes over WHIP in virtual time and on tapes: what is asked and answered over HTTP, and the packets, decrypted."""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import Event, PublishHeld, SinkConnected, SinkFailed
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.loop import run
from arcly_actors.script import Script, edit, faults, read_file
from arcly_actors.script.masks import Mask
from arcly_actors.script.replay import replay
from arcly_actors.script.show import text
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Address, Endpoints, Http, Rtmp, Rtsp, Srt, Topology, WebRtc
from arcly_actors.transport.urls import Url
from tests.script.clip import clip, sending
from tests.script.dialling import let_go, network, rolled
from tests.script.test_dialled import pictures
from tests.script.test_taped_dials import SCRIPTS, happened, kinds, of, secret_free
from tests.script.test_taped_rtsp_udp import until
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

FAR = Topology(
    endpoints=Endpoints(
        rtmp=Rtmp(enabled=False),
        rtsp=Rtsp(enabled=False),
        srt=Srt(enabled=False),
        http=Http(listen=Address("127.0.0.1", 1)),
        webrtc=WebRtc(listen=Address("127.0.0.1", 2)),
    )
)
WHIP = "whip:http://127.0.0.1:1/live/there-and-nowhere/whip?key=hush-hush"
THERE = "live/there-and-nowhere"
TOKEN = "open-sesame"


def pushed(path: Path, url: str = WHIP, token: str = TOKEN) -> Script:
    """Pushed to a server that is not there at first, then is, then goes away."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/cam", path) as tape, sending(engine, "live/cam"):
            await pass_time(NS_PER_S // 7)
            handle = await engine.push("live/cam", url, token=token)
            await pass_time(NS_PER_S)
            async with another(engine, FAR) as far:
                await pictures(far, THERE, 40)
            await let_go(handle)
        assert not tape.lost

    return rolled(scenario, path)


def test_an_engine_pushes_to_another_over_whip_in_virtual_time() -> None:
    async def scenario(engine: arcly.Engine) -> tuple[list[Event], int]:
        happened: list[Event] = []
        engine.events.observable.subscribe(happened.append)
        async with another(engine, FAR) as far, sending(engine, "live/cam"):
            stream = await far.stream(THERE)
            return happened, len(await pictures(far, str(stream.key), 40))

    clip()
    sink = {"key": "live/cam", "url": WHIP}
    topology = Topology.model_validate({**LOOPBACK.model_dump(mode="json"), "sinks": [sink]})
    events, count = run_engine(scenario, topology, network=network(), seed=4)
    assert count == 40
    assert any(isinstance(event, SinkConnected) for event in events)


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_push_over_whip_is_on_the_tape_and_replays(token: str, tmp_path: Path) -> None:
    url = WHIP if token else WHIP.replace("//", "//tom:pass-word@", 1)
    script = pushed(tmp_path / "whip.jsonl", url, token)
    found = kinds(script)
    assert found["unanswered"] > 1
    assert found["request"] == found["unanswered"] + 1  # the server is gone when it is to be told of the end
    assert [each.fields["method"] for each in of(script, "request")].count("DELETE") == 1
    assert [each.fields["status"] for each in of(script, "reply")][:1] == [201]
    assert found["rtp-out"] > 30
    assert found["rtcp-in"] > 0
    assert found["connected"] == 1
    assert "SinkConnected" in happened(script.records)
    secrets = (TOKEN, "hush-hush", "there-and-nowhere", "pass-word", base64.b64encode(b"tom:pass-word").decode())
    assert secret_free(tmp_path / "whip.jsonl", script, *secrets)
    first, second = replay(script), replay(script)
    assert first.divergence is None, "\n".join(first.divergence.lines())
    assert first.records == second.records
    assert replay(first.settled()).divergence is None


def test_faults_are_for_what_is_pushed_over_whip_too(tmp_path: Path) -> None:
    script = pushed(tmp_path / "whip.jsonl")
    connected = next(each.at for each in script.records if each.kind == "connected")
    at = f"@{connected // NS_PER_MS + 200}ms"
    for fault in (
        f"disconnect push{at}",
        f"disconnect push-1-4.whip{at}",
        "refuse live/cam@0s",
        "loss 10%",
        "jitter 20ms",
    ):
        made = replay(edit.apply(script, [edit.read_fault(fault, script.duration_ns)], seed=7))
        assert replay(made.settled()).records == made.records
        assert ("SinkConnected" in happened(made.records)) == ("refuse" not in fault), fault
        if "disconnect" in fault:
            failed = [each.at for each in made.records if each.get("what") == "SinkFailed" and each.at > connected]
            assert failed[0] - connected == pytest.approx(NS_PER_S // 5, abs=NS_PER_MS)


def test_faults_on_purpose_cut_and_refuse_it() -> None:
    async def scenario(engine: arcly.Engine) -> list[tuple[int, Event]]:
        seen: list[tuple[int, Event]] = []
        began = engine.clock.monotonic_ns()
        engine.events.observable.subscribe(lambda event: seen.append((engine.clock.monotonic_ns() - began, event)))
        engine.inject(faults.disconnect("push", at="2s"), faults.refuse("push", at="2s", length="2s"))
        async with another(engine, FAR), sending(engine, "live/cam"):
            await engine.push("live/cam", WHIP)
            await pass_time(8 * NS_PER_S)
        return seen

    clip()
    seen = run_engine(scenario, LOOPBACK, network=network(), seed=4)
    connected = [at for at, event in seen if isinstance(event, SinkConnected)]
    failed = [event.error for at, event in seen if isinstance(event, SinkFailed)]
    assert len(connected) == 2
    assert connected[1] > 4 * NS_PER_S
    assert failed[0] == "the peer is silent"
    assert set(failed[1:]) == {"127.0.0.1:1: connection refused"}


def test_one_that_was_connected_before_the_tape_is_a_view(tmp_path: Path) -> None:
    path = tmp_path / "later.jsonl"
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with another(engine, FAR) as far, sending(engine, "live/cam"):
            await engine.push("live/cam", WHIP)
            await pictures(far, THERE, 10)
            async with engine.tape("live/cam", path):
                await pictures(far, THERE, 30)

    script = rolled(scenario, path)
    assert not {"remote", "request", "rtp-out"} & set(kinds(script))
    assert replay(script).divergence is None


def test_a_diagram_shows_who_is_asked() -> None:
    (asked, *_) = [line for line in text(read_file(SCRIPTS / "push-whip.jsonl")) if "request method=POST" in line]
    assert "─▶" in asked


def test_the_sinks_address_and_its_token_are_masked() -> None:
    mask = Mask(Url.parse("whips://up.example/app/very-long-secret/x?sig=abcd", keyed=True), "open-sesame")
    assert mask.url == "whips://up.example/xxx/xxxxxxxxxxxxxxxx/x?sig=xxxx"
    assert mask.token == "xxxxxxxxxxx"
    assert mask.text("https://up.example/sessions/very-long-secret/1") == "https://up.example/sessions/xxxxxxxxxxxxxxxx/1"
    asked = {"Authorization": "Bearer open-sesame", "Accept": "application/sdp"}
    assert mask.headers(asked) == {"Authorization": "x" * 18, "Accept": "application/sdp"}
    assert mask.came(b"no open-sesame here") == b"no xxxxxxxxxxx here"
    with pytest.raises(arcly.ConfigurationError):
        Mask(Url.parse("whips://up.example/whip", keyed=True), "ab")


@contextlib.asynccontextmanager
async def filming(engine: arcly.Engine, key: str) -> AsyncIterator[None]:
    """Publish pictures only: how far a worker is with sound when somebody joins is the machine's affair."""
    tracks, frames = clip()
    video = [frame for frame in frames if frame.track.kind is arcly.Kind.VIDEO]

    async def send(publisher: arcly.PublishHandle) -> None:
        for before, frame in itertools.pairwise((video[0], *video)):
            await pass_time(frame.dts - before.dts)
            publisher.send(frame)

    async with engine.publish(key, tuple(each for each in tracks if each.kind is arcly.Kind.VIDEO)) as publisher:
        task = asyncio.ensure_future(send(publisher))
        yield
        task.cancel()


@pytest.mark.real_time
def test_a_session_with_real_sockets_replays(tmp_path: Path) -> None:
    path = tmp_path / "real.jsonl"
    clip()

    async def scenario() -> None:
        async with (
            arcly.Engine(LOOPBACK) as far,
            arcly.Engine(LOOPBACK) as near,
            filming(near, "live/cam"),
            asyncio.timeout(20),
        ):
            port = far.addresses["http"][0].port
            async with near.tape(None, path):
                sink = await near.push("live/cam", f"whip:http://127.0.0.1:{port}/{THERE}/whip", token=TOKEN)
                await pictures(far, THERE, 20)
                ended = asyncio.ensure_future(until(far, PublishHeld))
                await sink.stop()
                await ended

    run(scenario())
    script = read_file(path)
    assert kinds(script)["rtp-out"] > 20
    assert secret_free(path, script, TOKEN, THERE)
    first, second = replay(script), replay(script)
    assert first.divergence is None, "\n".join(first.divergence.lines())
    assert first.records == second.records
