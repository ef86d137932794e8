"""`python -m bench whep`: the ladder of viewers at 2.6 Mb/s, its top at 600 kb/s, and once with AES-CM."""

import time
from collections.abc import Sequence

from bench.case import Bench
from bench.clip import Picture
from bench.machine import this_machine
from bench.opus_clip import HIGH, LOW, cached_opus_clip
from bench.outcome import Outcome
from bench.rtmp import bench_of, complain, introduce
from bench.whep.case import WhepCase, measure_floor, measure_server
from bench.whep.report import CROWD, Row, table, verdicts

_PICTURES: dict[int, Picture] = {picture.bits // 1000: picture for picture in (HIGH, LOW)}


def cases(viewers: Sequence[int], profiles: str, seconds: float) -> list[WhepCase]:
    """The cases of a run: all viewers at the high rate, crowds at the low one, and one crowd with AES-CM."""
    high, low = (picture.bits // 1000 for picture in (HIGH, LOW))
    ladder = [WhepCase(count, high, profiles, seconds) for count in viewers]
    crowds = [count for count in viewers if count >= CROWD]
    ladder += [WhepCase(count, low, profiles, seconds) for count in crowds]
    return ladder + ([WhepCase(min(crowds), high, "cm", seconds)] if crowds and profiles == "gcm" else [])


def run(planned: Sequence[WhepCase], server_command: Sequence[str], *, save: bool) -> bool:
    """Measure the cases and print them; True when no viewer of any case lost anything."""
    started, machine = time.monotonic(), this_machine()
    benches = {case.kilobits: prepare_bench(case, server_command) for case in planned}
    introduce(machine, next(iter(benches.values())))
    rows = []
    for case in planned:
        bench = benches[case.kilobits]
        row = Row(case, measure_server(case, bench), measure_floor(case, bench))
        rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
        complain("server", row.server)
        if row.floor is not None:
            complain("floor", row.floor)
    outcome = Outcome("whep", rows, table(rows), verdicts(rows), machine, time.monotonic() - started)
    print(f"\n{outcome.document()}\n\ntook {outcome.took_seconds:.0f} s")
    if save:
        outcome.save()
    return all(row.server.lossless for row in rows)


def prepare_bench(case: WhepCase, server_command: Sequence[str]) -> Bench:
    """What is needed for a case."""
    return bench_of(cached_opus_clip(_PICTURES[case.kilobits]), case.viewers, server_command)
