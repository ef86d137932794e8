"""Events as an async iterator."""

import asyncio

from arcly_actors import limits
from arcly_actors.bus.events import ActorRestarted, Events
from arcly_actors.runtime import System
from tests.support.virtual import in_virtual_time, pass_time


def event(number: int) -> ActorRestarted:
    return ActorRestarted("actor", number)


@in_virtual_time
async def test_a_reader_gets_events_from_now_on_until_the_end(system: System) -> None:
    events, seen = Events(), list[object]()
    events.emit(event(0))

    async def read() -> None:
        seen.extend([each async for each in events])

    reading = asyncio.ensure_future(read())
    await pass_time(1)
    events.emit(event(1))
    await pass_time(1)
    events.emit(event(2))
    events.observable.complete()
    await reading
    assert seen == [event(1), event(2)]
    assert [each async for each in events] == []


@in_virtual_time
async def test_a_slow_reader_loses_the_oldest(system: System) -> None:
    events = Events()
    reader = events.__aiter__()
    first = asyncio.ensure_future(anext(reader))
    await pass_time(1)
    for number in range(limits.EVENT_BACKLOG + 10):
        events.emit(event(number))
    assert await first == event(10)
    events.observable.complete()
    rest = [each async for each in reader]
    assert rest[-1] == event(limits.EVENT_BACKLOG + 9)
    assert len(rest) == limits.EVENT_BACKLOG - 1


@in_virtual_time
async def test_a_reader_that_leaves_gives_its_seat_back(system: System) -> None:
    events = Events()

    async def read_one() -> object:
        async for each in events:
            return each
        return None

    first = asyncio.ensure_future(read_one())
    await pass_time(1)
    events.emit(event(1))
    assert await first == event(1)
    await pass_time(1)
    assert len(events.observable) == 0
    assert system.actors() == []
