"""What the numbers were measured on, and whether the machine was quiet."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_BUSY = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts a reader needs to judge absolute numbers; `load` is the load average of the minute before the run."""

    cpu: str
    cores: int
    kernel: str
    python: str
    load: float

    @property
    def busy(self) -> bool:
        """Whether something else was at work, so that the numbers are not to be trusted."""
        return self.load > _BUSY


def this_machine() -> Machine:
    """The facts about this machine, now."""
    return Machine(
        cpu=_cpu_model(Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def split_cores(cores: set[int]) -> tuple[frozenset[int], frozenset[int]]:
    """One core for the server, the rest for publisher and load client; a single core is shared."""
    server = max(cores)
    return frozenset({server}), frozenset(cores - {server} or {server})


def _cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
