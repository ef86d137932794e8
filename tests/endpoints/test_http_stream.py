"""HTTP-FLV and MPEG-TS over HTTP: viewers that leave before anything is sent."""

import pytest

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_S
from arcly_actors.endpoints.http_stream import HttpStreamSession
from arcly_actors.engine import Engine
from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport
from arcly_actors.script.virtual import run_engine
from arcly_actors.transport.addresses import Address
from tests.support.virtual import pass_time


def sessions(engine: Engine) -> int:
    found = (ref._actor_weakref() for ref in engine.built.system.actors())
    return sum(isinstance(actor, HttpStreamSession) for actor in found)


def ask_for(engine: Engine, network: ScriptedNetwork, path: str) -> ScriptedTransport:
    (at,) = engine.addresses["http"]
    transport = network.connect((at.host, at.port), Address("192.0.2.1", 4000))
    assert transport is not None
    transport.feed(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return transport


@pytest.mark.parametrize("suffix", [".flv", ".ts"])
@pytest.mark.parametrize("patience", [0, NS_PER_S])
def test_who_leaves_while_a_source_is_dialled_is_waited_for_no_more(suffix: str, patience: int) -> None:
    network = ScriptedNetwork()

    async def scenario(engine: Engine) -> None:
        offer = engine.built.bus.offer(StreamKey.parse("live/door"))
        viewer = ask_for(engine, network, f"/live/door{suffix}")
        if patience:
            await pass_time(patience)
            assert (offer.waiting, sessions(engine)) == (1, 1)
        viewer.lose(None)
        await pass_time(NS_PER_S)
        assert (offer.waiting, sessions(engine)) == (0, 0)

    run_engine(scenario, network=network)


def test_who_is_refused_is_told_so_however_soon() -> None:
    network = ScriptedNetwork()
    told = bytearray()

    async def scenario(engine: Engine) -> None:
        ask_for(engine, network, "/live/nobody.flv").heard = told.extend
        await pass_time(NS_PER_S)
        assert sessions(engine) == 0

    run_engine(scenario, network=network)
    assert told.startswith(b"HTTP/1.1 404 ")
