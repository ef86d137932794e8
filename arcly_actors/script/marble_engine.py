"""Marbles through a whole engine: who publishes and who watches as their texts say, in virtual time."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_S
from arcly_actors.engine import Engine
from arcly_actors.errors import Refused
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.script.faults import crash_one
from arcly_actors.script.marbles import PICTURES, SOUND, Marbles, Mark, frame_of, mark_of, read
from arcly_actors.script.plain import track_fields
from arcly_actors.script.read import span
from arcly_actors.script.record import Record
from arcly_actors.script.virtual import run_engine
from arcly_actors.topology import Topology

KEY = "live/marbles"
_TRACKS = (PICTURES, SOUND)


def watch(text: str, viewers: Sequence[str], unit: int, join: Join | None, topology: Topology | None) -> list[Marbles]:
    """See `MarbleTest.watched`."""

    async def scenario(engine: Engine) -> list[Marbles]:
        looking = [asyncio.ensure_future(_look(engine, viewer, unit, join)) for viewer in viewers]
        async with engine.publish(KEY, _TRACKS, keyframe_wanted=lambda _: None) as publisher:
            await _publish(engine, publisher, text, unit)
        return list(await asyncio.gather(*looking))

    return run_engine(scenario, topology)


async def _publish(engine: Engine, publisher: PublishHandle, text: str, unit: int) -> None:
    for mark in read(text):
        await _until(engine, mark.at * unit)
        if mark.what == "|":
            engine.end_stream(KEY, "as the marbles say")
        elif mark.what == "#":
            crash_one(engine.built.system, "publisher")
            await asyncio.sleep(0)
        else:
            publisher.send(frame_of(mark, unit))
    await _until(engine, len(text) * unit)


async def _look(engine: Engine, text: str, unit: int, join: Join | None) -> Marbles:
    marks = {mark.what: mark.at for mark in read(text)}
    seen: list[Mark] = []

    def now() -> int:
        return round(engine.clock.monotonic_ns() / unit)

    async def look() -> None:
        await _until(engine, marks.get("^", 0) * unit)
        stream = await engine.stream(KEY)
        async with aclosing(stream.frames(join)) as frames:
            async for frame in frames:
                seen.append(mark_of(frame, now()))  # noqa: PERF401 - what was seen before the time is over stays
        seen.append(Mark(now(), "|"))

    with suppress(TimeoutError, Refused):
        async with asyncio.timeout((marks["!"] * unit - 1) / NS_PER_S if "!" in marks else None):
            await look()
    return Marbles(tuple(seen))


async def _until(engine: Engine, at: int) -> None:
    await asyncio.sleep(max(0, at - engine.clock.monotonic_ns()) / NS_PER_S)


def expanded(record: Record) -> list[Record]:
    """A ``publish`` of a script that has a ``marble``, as the records that it stands for. Raises ConfigurationError."""
    unit = span(record.get("step", "40ms"), "step")
    who = record.who or "publisher"
    whose = {"who": who, "key": record.fields["key"]}
    listed = {**whose, "tracks": [track_fields(track) for track in _TRACKS]}
    records = [Record(record.at, "publish", {**record.fields, "who": who}, line=record.line)]
    records.append(Record(record.at, "tracks", listed, line=record.line))
    for mark in read(str(record.fields["marble"])):
        at = record.at + mark.at * unit
        if mark.what in "|#":
            kind = ("unpublish", {"who": who}) if mark.what == "|" else ("crash", {"actor": "publisher"})
            records.append(Record(at, *kind, line=record.line))
        else:
            frame = frame_of(mark, unit)
            told = {"who": who, "track": frame.track.id, "pts": frame.pts, "dts": frame.dts, "keyframe": frame.keyframe}
            records.append(Record(at, "send", told, frame.payload, line=record.line))
    return records
