"""RTSP that is pulled or pushed over UDP, on tapes: the connection and the ports that it arranges, also in vain."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import SinkFailed
from arcly_actors.clock import NS_PER_S
from arcly_actors.loop import run
from arcly_actors.script import Script, edit, read_file
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import another
from arcly_actors.topology import Topology
from tests.script.clip import clip, sending
from tests.script.dialling import rolled
from tests.script.test_dialled import FAR, PUSHED, pictures
from tests.script.test_taped_dials import assert_replays, kinds, of
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

TCP_ONLY = LOOPBACK.endpoints.rtsp.model_copy(update={"udp_ports": None})


async def until(engine: arcly.Engine, kind: type[Any]) -> None:
    """Wait for an event of this kind."""
    came = asyncio.Event()
    engine.events.observable.subscribe(lambda event: came.set() if isinstance(event, kind) else None)
    await came.wait()


def recorded(does: str, path: Path, *, refused: bool) -> Script:
    """With real sockets; `refused`: the server has no UDP."""
    rtsp = TCP_ONLY if refused else LOOPBACK.endpoints.rtsp
    topology = Topology(endpoints=LOOPBACK.endpoints.model_copy(update={"rtsp": rtsp}))

    async def scenario() -> None:
        async with arcly.Engine(topology) as far, arcly.Engine(LOOPBACK) as near:
            sender = far if does == "pull" else near
            await sender.start_pattern("live/cam")
            await sender.stream("live/cam")
            url = f"rtsp://127.0.0.1:{far.addresses['rtsp'][0].port}/live"
            async with near.tape(None, path), asyncio.timeout(20):
                failed = asyncio.ensure_future(until(near, SinkFailed))
                if does == "pull":
                    await near.pull("live/there", f"{url}/cam")  # asks for UDP first
                else:
                    await near.push("live/cam", f"{url}/there", transport="udp")
                if does == "push" and refused:
                    await failed
                else:
                    await pictures(near if does == "pull" else far, "live/there", 10)
                failed.cancel()

    run(scenario())
    return read_file(path)


@pytest.mark.real_time
@pytest.mark.parametrize("does", ["pull", "push"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_session_with_real_sockets_replays(does: str, refused: bool, tmp_path: Path) -> None:
    """Its ports are of the system's choice and told to the server, also by one that never gets to send."""
    script = recorded(does, tmp_path / "udp.jsonl", refused=refused)
    found = kinds(script)
    assert found["bound"] >= 4
    assert (found["sent"] > 0) == (not refused)
    if does == "pull":
        assert len(of(script, "dial")) == 1 + refused  # within the connection then
        assert (found["datagram"] > 0) == (not refused)
    assert_replays(script)


def pushed(path: Path) -> Script:
    """In virtual time, to a server that is not there at first, then is, then goes away."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/cam", path):
            handle = await engine.push("live/cam", PUSHED["rtsp"], transport="udp")
            async with sending(engine, "live/cam"):
                await pass_time(NS_PER_S)
                async with another(engine, FAR) as far:
                    await pictures(far, "live/there", 30)
                    await pass_time(6 * NS_PER_S)
                await pass_time(2 * NS_PER_S)
            await handle.stop()

    return rolled(scenario, path)


def test_a_push_over_udp_replays_with_its_faults(tmp_path: Path) -> None:
    script = pushed(tmp_path / "push.jsonl")
    assert kinds(script)["unanswered"] > 1
    assert {each.who.rpartition(".")[2] for each in of(script, "sent")} == {"0-rtp", "0-rtcp", "1-rtp", "1-rtcp"}
    assert len(of(script, "sent")) > 300
    first, second = replay(script), replay(script)
    assert first.divergence is None
    assert first.records == second.records
    assert replay(first.settled()).divergence is None
    cut = replay(edit.apply(script, [edit.read_fault("disconnect push@4s", script.duration_ns)]))
    failed = [each.at / NS_PER_S for each in cut.records if each.get("what") == "SinkFailed"]
    assert 3.9 < next(at for at in failed if at > 2) < 4.1
    assert not [each for each in cut.records if each.kind == "sent" and each.at > 4 * NS_PER_S + NS_PER_S // 10]
