"""What /proc tells of a process and its children: CPU time and resident memory."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def parse_stat(text: str) -> tuple[int, float]:
    """A /proc/<pid>/stat line as (parent's id, CPU seconds in user and kernel mode); the name may hold anything."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICK


def parse_rss(smaps_rollup: str) -> int:
    """The resident bytes in a /proc/<pid>/smaps_rollup."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Rss line in smaps_rollup")


def cpu_seconds(pid: int) -> float:
    """CPU time of the process and its living children, in seconds."""
    return sum(cpu for _, cpu in _family(pid).values())


def resident_bytes(pid: int) -> int:
    """Resident memory of the process and its living children, in bytes."""
    return sum(parse_rss((_PROC / str(member) / "smaps_rollup").read_text()) for member in _family(pid))


def _family(pid: int) -> dict[int, tuple[int, float]]:
    stats = dict(_stats(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()))
    family = {pid: stats[pid]}
    grown = True
    while grown:
        children = {child: stat for child, stat in stats.items() if stat[0] in family and child not in family}
        family.update(children)
        grown = bool(children)
    return family


def _stats(pids: Iterable[int]) -> Iterable[tuple[int, tuple[int, float]]]:
    for pid in pids:
        try:
            yield pid, parse_stat((_PROC / str(pid) / "stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended between the listing and the reading
