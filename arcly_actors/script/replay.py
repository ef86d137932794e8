"""Replaying a script: the same topology on a virtual clock, what came in at its recorded times, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from arcly_actors import limits
from arcly_actors.clock import VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.errors import ConfigurationError
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.script.compare import Divergence, compare
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.plain import track_of
from arcly_actors.script.recall import RecalledEntropy
from arcly_actors.script.record import Record, Script, in_order
from arcly_actors.script.stage import Stage
from arcly_actors.script.tape import Tape
from arcly_actors.script.virtual import run_engine
from arcly_actors.topology import Topology

_ENDLESS = 1 << 60
"""A replay is as long as its script, which is bounded."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay: all records, those that came in too; the first divergence, None when there is none."""

    script: Script
    records: tuple[Record, ...]
    divergence: Divergence | None

    def settled(self) -> Script:
        """The script with what the replay made of it: compared to the last bit from now on."""
        return Script(replace(self.script.head, exact=True), self.records, source=self.script.source)


class _Kept:
    """A tape's sink: everything."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def take(self, records: list[Record]) -> None:
        """See `Sink`."""
        self.records += records


def replay(script: Script) -> Replayed:
    """Replay a script and compare. Raises ScriptError for one that cannot be replayed.

    Each replay equals every other one to the last bit and nanosecond, on any machine.
    """
    made = _run(script)
    records = _merged(script.records, made)
    return Replayed(script, records, compare(script, made))


Streams = dict[str, tuple[tuple[Track, ...], list[MediaFrame]]]
"""What was published, by key: the tracks as of the end, and the frames on the stream's timeline."""


def frames_of(script: Script) -> Streams:
    """What a script's publishers sent, as a replay makes it. Raises ScriptError for a script that cannot be replayed."""
    found: Streams = {}
    keys: dict[str, str] = {}
    for record in _run(script, frames=True):
        if record.kind == "publish":
            keys[record.who] = record.fields["key"]
        elif record.kind == "tracks":
            key = record.fields["key"]
            tracks = tuple(track_of(values) for values in record.fields["tracks"])
            found[key] = (tracks, found.get(key, ((), []))[1])
        elif record.kind in ("frame", "send"):
            key = record.get("key") or keys[record.who]
            tracks, frames = found[key]
            track = next(each for each in tracks if each.id == record.fields["track"])
            keyframe = bool(record.get("keyframe"))
            frames.append(MediaFrame(track, record.fields["pts"], record.fields["dts"], record.data or b"", keyframe))
    return found


def topology_of(script: Script) -> Topology:
    """The topology that a script's head tells."""
    told: dict[str, Any] = {"version": 1, **script.head.topology}
    try:
        return Topology.model_validate(told)
    except ValueError as error:
        raise script.error(Record(0, "end", line=1), f"the topology in the head is wrong: {error}") from None


def _run(script: Script, *, frames: bool = False) -> list[Record]:
    clock = VirtualClock(script.head.monotonic_ns, script.head.wall_ns)
    network = ScriptedNetwork()
    kept = _Kept()

    spelt = _spelt_out(script)

    async def play(engine: Engine) -> None:
        built = engine.built
        stage = Stage(engine, network, clock, script)
        tape = Tape(
            built.system,
            built.bus,
            engine.events,
            lambda _at: "",
            kept,
            size=_ENDLESS,
            name=lambda _on: stage.opening,
            peer_name=stage.peer_name,
            frames=frames,
            programs=not _has_programs(script),
        )
        stage.seen = partial(tape.put, None)
        stage.far.name = tape.dials.name
        tape.start(())
        try:
            for record in spelt:
                if record.comes_in and record.kind != "draw":
                    if not stage.only_names(record):
                        await stage.until(record.at, record.get("turns"), record.get("late", 0))
                    await stage.do(record)
            await stage.until(max(script.duration_ns, spelt[-1].at if spelt else 0))
        finally:
            tape.stop()
            await stage.close()

    entropy = RecalledEntropy(script.records, script.head.seed)
    turns = _turns(script)
    run_engine(play, topology_of(script), clock=clock, network=network, entropy=entropy, iterations=turns)
    return kept.records


def _has_programs(script: Script) -> bool:
    """Whether its programs are told as they acted, so that what came of that is to be compared."""
    return any(record.kind == "publish" and record.get("clock") == "own" for record in script.records)


def _spelt_out(script: Script) -> Sequence[Record]:
    """Its records, with those that marbles stand for."""
    if not any("marble" in record.fields for record in script.records):
        return script.records
    from arcly_actors.script.marble_engine import expanded  # noqa: PLC0415 - for who has some

    spelt: list[Record] = []
    for record in script.records:
        try:
            spelt += expanded(record) if "marble" in record.fields else [record]
        except ConfigurationError as error:
            raise script.error(record, str(error)) from None
    return in_order(spelt)


def _turns(script: Script) -> int:
    """Turns of the loop that a replay may take: some for each record and each second."""
    return limits.VIRTUAL_ITERATIONS + 64 * len(script.records)


def _merged(recorded: tuple[Record, ...], made: list[Record]) -> tuple[Record, ...]:
    """What came in as it was recorded, what came of it as it was made; at one time, what came in is first."""
    ins = [record for record in recorded if record.comes_in]
    told = {record.kind for record in recorded if record.data is None and "hash" in record.fields}
    outs = [record.hashed() if record.kind in told else record for record in made if not record.comes_in]
    return in_order([*ins, *outs])
