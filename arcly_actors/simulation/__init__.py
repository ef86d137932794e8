"""Simulation: random publishers and viewers go through random faults in virtual time, and invariants are checked.

`simulate` runs one seed; what happens is decided by the seed alone. The parts: `world` is an engine with its peers,
`explorer` decides what happens next, `invariants` say what must hold, `run` reports.
"""

from arcly_actors.simulation.invariant import Violation
from arcly_actors.simulation.run import Simulated, simulate

__all__ = ["Simulated", "Violation", "simulate"]
