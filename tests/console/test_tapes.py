"""The route that records: who may, what is refused, that it is bounded and ends with its reader."""

import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from arcly_actors import limits
from arcly_actors.bus.events import Event, TapeEnded, TapeStarted
from arcly_actors.engine import Engine
from tests.bus.frames import VIDEO, pictures
from tests.support.loopback import LOOPBACK
from tests.support.waiting import until


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(LOOPBACK) as running:
        yield running


def address(engine: Engine) -> str:
    return f"http://127.0.0.1:{engine.addresses['http'][0].port}/api/v1/tape"


async def answer(engine: Engine, headers: Mapping[str, str] = MappingProxyType({}), **query: Any) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(address(engine), params=query, headers=headers) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site", "Forwarded", "X-Forwarded-For", "Via"])
async def test_neither_a_browser_nor_a_proxy_gets_one(engine: Engine, header: str) -> None:
    status, told = await answer(engine, {header: "null"}, seconds="0.01")
    assert (status, told) == (403, "tapes are for programs on this machine, without a proxy\n")
    assert engine.built.system.seams.tapes == ()


@pytest.mark.parametrize("query", [{"seconds": "soon"}, {"seconds": "-1"}, {"seconds": "1e9"}, {"key": "cam"}])
async def test_what_cannot_be_is_refused(engine: Engine, query: dict[str, Any]) -> None:
    status, _ = await answer(engine, **query)
    assert status == 400


async def test_a_tape_of_its_length_is_a_script_and_is_told_of(engine: Engine) -> None:
    told: list[Event] = []
    engine.events.observable.subscribe(told.append)
    async with engine.publish("live/cam", (VIDEO,)) as publisher:
        for frame in pictures(5):
            publisher.send(frame)
        status, text = await answer(engine, key="live/cam", seconds="0.2", payload="0")
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200
    assert lines[0]["script"] == 1
    kinds = [line["is"] for line in lines[1:]]
    assert (kinds.count("send"), kinds[-1]) == (5, "end")
    tapes = [event for event in told if isinstance(event, TapeStarted | TapeEnded)]
    assert tapes == [TapeStarted("live/cam", "a reader"), TapeEnded("live/cam", "a reader", 0, "")]


async def test_a_tape_ends_with_its_reader_and_there_are_few_at_once(engine: Engine) -> None:
    def tapes() -> int:
        return len(engine.built.system.seams.tapes)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        readers = [await session.get(address(engine)) for _ in range(limits.TAPES_AT_ONCE)]
        assert tapes() == limits.TAPES_AT_ONCE
        status, told = await answer(engine, seconds="0.01")
        assert (status, told) == (503, f"{limits.TAPES_AT_ONCE} tapes are being recorded: more at once are not\n")
        readers.pop().close()
        await until(lambda: tapes() == limits.TAPES_AT_ONCE - 1)
        status, _ = await answer(engine, seconds="0.01")
        assert status == 200
        for reader in readers:
            reader.close()
        await until(lambda: tapes() == 0)


async def test_a_server_that_stops_ends_its_tapes() -> None:
    async with aiohttp.ClientSession() as session:
        async with Engine(LOOPBACK) as running:
            reader = await session.get(address(running))
            line = await reader.content.readline()
            assert json.loads(line)["script"] == 1
            system = running.built.system
            assert len(system.seams.tapes) == 1
        await until(lambda: system.seams.tapes == ())
        reader.close()
