"""`arcly simulate`: random publishers, viewers and faults in virtual time, held against invariants."""

import itertools
import logging
import multiprocessing
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from arcly_actors.cli.exits import Exit
from arcly_actors.cli.terminal import output
from arcly_actors.clock import NS_PER_S, SystemClock, SystemEntropy
from arcly_actors.errors import ConfigurationError

if TYPE_CHECKING:
    from multiprocessing.pool import AsyncResult

    from arcly_actors.simulation import Simulated
    from arcly_actors.simulation.explorer import Plan


def simulate(
    seed: Annotated[int | None, typer.Option(help="Run this seed only.", show_default=False)] = None,
    seeds: Annotated[
        str, typer.Option(help="Run these, as 1-200. With neither: one after the other until Ctrl-C.", show_default=False)
    ] = "",
    length: Annotated[str, typer.Option("--duration", help="Virtual time of each seed, as 10m.")] = "60s",
    viewers: Annotated[int, typer.Option(min=1, max=1000, help="Most viewers at once.")] = 20,
    faults: Annotated[float, typer.Option(min=0, max=600, help="Faults per virtual minute, on average.")] = 12,
    out: Annotated[Path, typer.Option("--output", "-o", help="Where scripts of seeds that fail are written.")] = Path(),
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on after a seed that fails.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=256,
            help="Seeds at a time, each in a process; without it as many as there are cores.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell every step of a seed.")] = False,
) -> None:
    """Drive random publishers and viewers through random faults in virtual time, and check invariants after every step.

    A seed decides everything: it goes the same way each time. One that fails writes a script for `arcly script show` and
    `replay`, and makes the exit code 1.
    """
    from arcly_actors.simulation import simulate as run  # noqa: PLC0415 - takes a while: not for `--version`
    from arcly_actors.simulation.explorer import Plan  # noqa: PLC0415
    from arcly_actors.topology.values import duration  # noqa: PLC0415

    ns, plan = duration(length), Plan(viewers, faults)
    console, clock = output(), SystemClock()
    began, passed, count, failed = clock.monotonic_ns(), 0, 0, 0
    numbers = _numbers(seed, seeds)
    jobs = jobs or min(os.cpu_count() or 1, len(numbers) if isinstance(numbers, Sized) else sys.maxsize)
    with closing(_results(numbers, ns, plan, jobs)) as results:
        try:
            for result, took in results:
                console.print(Text(_line(result, took), style="red" if result.violation else ""))
                passed, count = passed + result.elapsed_ns, count + 1
                if verbose:
                    _tell(result)
                if result.violation is not None:
                    failed += 1
                    with _hushed():
                        taped = run(result.seed, ns, plan, tape=True)
                    _reproduce(result, taped, out, length)
                    if not keep_going:
                        break
        except KeyboardInterrupt:
            console.print()
    if count > 1:
        speed = passed / max(clock.monotonic_ns() - began, 1)
        console.print(Text(f"{count} seeds, {passed / NS_PER_S:g} s, {speed:.0f} x real time; {failed} failed"))
    if failed:
        raise typer.Exit(Exit.FAILED)


@contextmanager
def _hushed() -> Iterator[None]:
    """Failures are wanted here, and told of by invariants."""
    loggers = [logging.getLogger(name) for name in ("pykka", "arcly_actors", "aiohttp")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _results(numbers: Iterable[int], ns: int, plan: "Plan", jobs: int) -> "Generator[tuple[Simulated, int], None, None]":
    """What came of each seed, in their order, and how long (ns) it took; `jobs` of them run at a time."""
    if jobs == 1:
        for number in numbers:
            yield _timed(number, ns, plan)
        return
    running: deque[AsyncResult[tuple[Simulated, int]]] = deque()
    with multiprocessing.get_context("spawn").Pool(jobs, _begin_worker) as pool:  # its end ends what still runs
        for number in numbers:
            running.append(pool.apply_async(_timed, (number, ns, plan)))
            if len(running) > jobs:
                yield running.popleft().get()
        while running:
            yield running.popleft().get()


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it


def _timed(number: int, ns: int, plan: "Plan") -> "tuple[Simulated, int]":
    from arcly_actors.simulation import simulate as run  # noqa: PLC0415 - see above

    clock = SystemClock()
    started = clock.monotonic_ns()
    with _hushed():
        return run(number, ns, plan), clock.monotonic_ns() - started


def _numbers(seed: int | None, seeds: str) -> Iterable[int]:
    if seed is not None:
        return (seed,)
    if not seeds:
        return itertools.count(int.from_bytes(SystemEntropy().random_bytes(3)))
    found = re.fullmatch(r"(\d{1,12})-(\d{1,12})", seeds)
    if found is None or int(found[1]) > int(found[2]):
        raise ConfigurationError(f"{seeds!r} are no seeds: write the first and the last, as 1-200")
    return range(int(found[1]), int(found[2]) + 1)


def _line(result: "Simulated", took: int) -> str:
    speed = f"{result.elapsed_ns / max(took, 1):.0f} x real time"
    done = f"{result.elapsed_ns / NS_PER_S:g} s, {result.steps} steps, {result.frames} frames, {speed}"
    return f"seed {result.seed}: {done}, {result.violation or 'all invariants held'}"


def _tell(result: "Simulated") -> None:
    console = output()
    for at, what in result.done:
        console.print(Text(f"{at / NS_PER_S:12.6f}  {what}"))
    for what, count in result.counts.items():
        console.print(Text(f"{count:12}  {what}"))


def _reproduce(result: "Simulated", again: "Simulated", out: Path, length: str) -> None:
    """Write the script of a seed that failed, from a second run with a tape, and say how to look at it."""
    from arcly_actors.script import write_file  # noqa: PLC0415 - see above

    console = output()
    if str(again.violation) != str(result.violation) or again.script is None:
        console.print(Text(f"it went another way the second time: {again.violation}", style="red"))
        return
    path = out / f"simulation-{result.seed}.jsonl"
    write_file(again.script, path)
    for at, what in result.done[-8:]:
        console.print(Text(f"{at / NS_PER_S:12.6f}  {what}"))
    console.print(Text(f"again: arcly simulate --seed {result.seed} --duration {length}"))
    console.print(
        Text(f"{path}: {len(again.script.records)} records; arcly script show {path}, arcly script replay {path}")
    )
