"""What a tape has of a simulation: a script to replay and to look at."""

from functools import partial

from arcly_actors.engine import Engine
from arcly_actors.script.endpoints import endpoint_at
from arcly_actors.script.record import Head, Record, Script
from arcly_actors.script.tape import Tape
from arcly_actors.simulation.invariant import Violation
from arcly_actors.simulation.world import World
from arcly_actors.version import VERSION

_ENDLESS = 1 << 60


class Recorder:
    """Records everything from now on; see `script`."""

    def __init__(self, engine: Engine, world: World) -> None:
        self._records: list[Record] = []
        self._topology = engine.topology.model_dump(mode="json")
        built = engine.built
        self._tape = Tape(
            built.system,
            built.bus,
            engine.events,
            partial(endpoint_at, engine),
            self,
            size=_ENDLESS,
            programs=False,
            live=engine.clock,
        )
        self._head = self._tape.head(self._topology, {"recorded_by": f"arcly_actors {VERSION}"})
        self._tape.start(engine.drawn)
        world.tape = self._tape

    def take(self, records: list[Record]) -> None:
        """See `script.tape.Sink`."""
        self._records += records

    def script(self, seed: int, violation: Violation | None) -> Script:
        """What there is, with what was found at its end and in its provenance."""
        self._tape.stop(str(violation) if violation is not None else "")
        provenance = {**self._head.provenance, "simulation": f"seed {seed}"}
        if violation is not None:
            provenance["violation"] = str(violation)
        head = Head(
            self._head.topology,
            self._head.key,
            self._head.monotonic_ns,
            self._head.wall_ns,
            seed,
            provenance=provenance,
        )
        return Script(head, tuple(self._records))
