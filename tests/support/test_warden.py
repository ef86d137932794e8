"""The rig that keeps browsers in check, tried with programs that misbehave on purpose (no browser is started)."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.browser import BrowserFailed, Chromium, Guarded
from tests.support.warden import CAP_SYS_NICE

LISTENING = "echo 'DevTools listening on ws://127.0.0.1:1/x' >&2"
ESCAPEES = f"setsid sh -c 'setsid sleep 300 & exec sleep 300' & {LISTENING}; trap '' TERM INT HUP; sleep 300; sleep 300"


Guard = Callable[..., Guarded]


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Starts programs under wardens, without the machine's lock; whatever a failed test leaves is ended."""
    started: list[Guarded] = []

    def start(command: list[str], *, lock: Path | None = None, **bounds: float) -> Guarded:
        started.append(Guarded(command, lock=lock, **bounds))
        return started[-1]

    yield start
    for guarded in started:
        with contextlib.suppress(BrowserFailed):
            guarded.end()


def shell(script: str) -> list[str]:
    return ["sh", "-c", script, "{profile}"]


def family(guarded: Guarded) -> list[psutil.Process]:
    return psutil.Process(guarded.warden_pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    assert processes
    _, left = psutil.wait_procs(processes, timeout=10)
    assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []


def test_the_end_takes_everything_with_it(guard: Guard) -> None:
    guarded = guard(shell(ESCAPEES))
    assert guarded.await_devtools() == "ws://127.0.0.1:1/x"
    processes = family(guarded)
    profile = Path(guarded.reports["started"])
    assert profile.is_dir()
    ended = guarded.end()
    assert ended.startswith("owner-gone")
    assert "left=0" in ended
    assert_gone(processes)
    assert not profile.exists()


def test_what_hides_from_the_tree_is_found_by_its_profile(guard: Guard) -> None:
    guarded = guard(shell(f"{LISTENING}; exec sleep 300"))
    guarded.await_devtools()
    stray = subprocess.Popen(["sh", "-c", "sleep 300; true", guarded.reports["started"]], start_new_session=True)
    processes = [psutil.Process(stray.pid), *psutil.Process(stray.pid).children()]
    guarded.end()
    assert stray.wait(10) == -signal.SIGKILL
    assert_gone(processes)


def test_silence_ends_a_stopped_program(guard: Guard) -> None:
    guarded = guard(shell(f"{LISTENING}; exec sleep 300"), silence=0.5)
    guarded.await_devtools()
    processes = family(guarded)
    for process in processes:
        process.suspend()
    assert guarded.hear(("ended",), 10)
    assert guarded.reports["ended"].startswith("silent")
    assert_gone(processes)
    assert not guarded.alive()
    guarded.end()


def test_a_deadline_ends_even_a_lively_session(guard: Guard) -> None:
    guarded = guard(shell(ESCAPEES), deadline=1.0)
    guarded.await_devtools()
    while guarded.alive():
        guarded.touch()
        guarded.hear(("ended",), 0.1)
    assert guarded.end().startswith("deadline")


def test_the_owners_death_ends_everything() -> None:
    source = (
        "from tests.support.browser import *; from tests.support.test_warden import *\n"
        "g = Guarded(shell(ESCAPEES), lock=None); g.await_devtools(); print(g.warden_pid, flush=True); input()"
    )
    owner = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert owner.stdin is not None
    assert owner.stdout is not None
    warden = psutil.Process(int(owner.stdout.readline()))
    processes = [warden, *warden.children(recursive=True)]
    owner.kill()
    owner.wait(10)
    owner.stdin.close()
    owner.stdout.close()
    assert_gone(processes)


def test_the_wardens_death_ends_the_program(guard: Guard) -> None:
    guarded = guard(shell(f"{LISTENING}; exec sleep 300"))
    guarded.await_devtools()
    processes = family(guarded)
    os.kill(guarded.warden_pid, signal.SIGKILL)
    assert_gone(processes)
    with pytest.raises(BrowserFailed, match="-9"):
        guarded.end()


def test_signals_that_end_tests_do_not_end_the_warden(guard: Guard) -> None:
    guarded = guard(shell(ESCAPEES))
    guarded.await_devtools()
    processes = family(guarded)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guarded.warden_pid, number)
    assert guarded.end().startswith("owner-gone")
    assert_gone(processes)


def test_one_at_a_time(guard: Guard, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    program = shell(f"{LISTENING}; exec sleep 300")
    first = guard(program, lock=lock)
    first.await_devtools()
    second = guard(program, lock=lock)
    with pytest.raises(BrowserFailed, match=f"process {first.warden_pid} has"):
        second.await_devtools(locked=0.5)
    first.end()
    assert second.await_devtools(locked=10)
    second.end()


def test_the_lock_is_not_waited_for_by_the_dead(guard: Guard, tmp_path: Path) -> None:
    program = shell(f"{LISTENING}; exec sleep 300")
    first = guard(program, lock=tmp_path / "lock")
    first.await_devtools()
    second = guard(program, lock=tmp_path / "lock")
    assert second.hear(("waiting",), 10)
    assert second.end() == "never started"
    first.end()


def test_a_program_does_not_inherit_a_real_time_class(guard: Guard) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("only root may try")
    try:
        guarded = guard(shell(f"{LISTENING}; exec sleep 300"))
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    guarded.await_devtools()
    (process,) = family(guarded)
    assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER
    guarded.end()


def test_a_program_cannot_raise_its_priority(guard: Guard, tmp_path: Path) -> None:
    told = tmp_path / "told"
    tries = (
        f"renice -n -8 -p $$; echo $? > {told}; chrt -f -p 1 $$; echo $? >> {told}; grep CapEff /proc/$$/status >> {told}"
    )
    guarded = guard(shell(f"{tries}; {LISTENING}; exec sleep 300"))
    guarded.await_devtools()
    (process,) = family(guarded)
    renice, chrt, capabilities = told.read_text().splitlines()
    assert (renice, chrt) == ("1", "1"), "both are refused"
    assert not int(capabilities.split()[1], 16) >> CAP_SYS_NICE & 1
    assert process.nice() == max(5, psutil.Process().nice())  # or as nice as its owner, if that is nicer
    guarded.end()


def test_a_failing_start_is_tried_once_more() -> None:
    chromium = Chromium(shell("echo no display >&2; exit 3"), lock=None)
    with pytest.raises(BrowserFailed, match=r"(?s)exit 3.*no display"):
        chromium.endpoint()
    assert chromium.launches == 2


def test_a_second_start_may_succeed(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    chromium = Chromium(shell(f"[ -e {flag} ] || {{ touch {flag}; exit 1; }}; {LISTENING}; exec sleep 300"), lock=None)
    assert chromium.endpoint() == "ws://127.0.0.1:1/x"
    assert chromium.endpoint() == "ws://127.0.0.1:1/x"
    assert chromium.launches == 2
    chromium.close()


def test_a_dead_program_is_replaced(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    chromium = Chromium(shell(f"echo $$ >> {pids}; {LISTENING}; exec sleep 300"), lock=None)
    chromium.endpoint()
    first = psutil.Process(int(pids.read_text()))
    first.kill()
    assert chromium._guarded is not None
    assert chromium._guarded.hear(("ended",), 10)
    chromium.endpoint()
    assert chromium.launches == 2
    chromium.close()
