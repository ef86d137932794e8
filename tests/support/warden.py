"""A supervising process around one browser, so that nothing of it outlives, or slows, the session that wanted it.

Run as a script: ``warden.py SILENCE DEADLINE LOCK PROGRAM [ARGUMENT...]`` (seconds; "-" for no lock; ``{profile}`` in an
argument becomes a fresh directory that is removed at the end). It imports only the standard library and psutil, because
it has to start at once and to survive whatever happens to the tests.

- stdin is the owner's lifeline: each byte says "alive", end of file (the owner finished, or died however hard) ends all.
  No byte for SILENCE seconds means that the owner or the browser hangs; DEADLINE bounds the whole life.
- stdout reports, a line each: ``waiting PID`` (another browser has the lock), ``started PROFILE``, ``listening URL``
  (DevTools is up) and ``ended REASON killed=N left=N cpu=SECONDS``, then the program's last lines, each after ``| ``.
- It leads its own session and adopts every orphan below it (PR_SET_CHILD_SUBREAPER), so a descendant stays its
  descendant also after a double fork or a setsid of its own; what carries the profile in its command line goes too.
- The program dies with the warden (PR_SET_PDEATHSIG) and has its processor time bounded by the kernel (RLIMIT_CPU): a
  process that spins is ended even when nobody is left to kill it.
- The program is nice and stays so. Chromium run by root would raise itself to niceness -8, and some threads to real-time
  classes; one of those spinning starves everything else on a small machine. Without CAP_SYS_NICE it cannot.
"""

import collections
import contextlib
import ctypes
import fcntl
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
CAP_SYS_NICE = 23
CAPABILITY_VERSION_3 = 0x20080522
NICENESS = 5
CPU_SECONDS = 300  # of one process; a whole run of the browser tests takes a tenth of it
GRACE = 10.0  # until a killed process must be gone: the kernel has to free up to gigabytes on a busy machine
LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


def kin(profile: str) -> list[psutil.Process]:
    """Every process below this one, any other whose command line names `profile`, and those below it."""
    own = psutil.Process()
    found = {process.pid: process for process in own.children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != own.pid and any(profile in argument for argument in process.cmdline()):
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
    return [process for process in found.values() if not gone(process)]


def gone(process: psutil.Process) -> bool:
    """Whether nothing of the process runs any more (a zombie does not run)."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def kill_all(profile: str) -> tuple[int, int]:
    """Kill until nothing is left or GRACE is over: (how many were killed, how many are left)."""
    killed: set[int] = set()
    until = time.monotonic() + GRACE
    while (found := kin(profile)) and time.monotonic() < until:
        for process in found:  # again each round: what forked meanwhile is found by the next
            killed.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=0.5)
        reap()
    return len(killed), len(found)


def reap() -> None:
    """Take the exit status of every child that ended, adopted ones included."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def forget_capability(libc: ctypes.CDLL, capability: int) -> None:
    """Take it out of this process's own sets, too: an inheritable one would survive the exec (capabilities(7))."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same for capabilities from 32 on
    if libc.capget(header, sets) == 0:
        word = 3 * (capability // 32)
        for index in range(word, word + 3):
            sets[index] &= ~(1 << capability % 32)
        libc.capset(header, sets)


def bind_to_parent() -> None:
    """In the program's process, before it starts: die with the warden, be nice, never burn more than CPU_SECONDS."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # or an owner's real-time class would be inherited
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)  # refused to all but root, and only root has it
    forget_capability(libc, CAP_SYS_NICE)
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))  # nobody may become less nice
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO):
        resource.setrlimit(limit, (0, 0))


class Warden:
    """One program's life, from the lock to the last of its processes."""

    def __init__(self, silence: float, deadline: float) -> None:
        self.silence = silence
        self.ends_at = time.monotonic() + deadline
        self.tail: collections.deque[bytes] = collections.deque(maxlen=30)
        self.partial = b""

    def lock(self, path: str) -> IO[str] | None:
        """The open, locked file; None when the owner went away while another browser had it."""
        file = Path(path).open("a+")  # noqa: SIM115 - it stays open, and with it the lock, as long as this process
        told = False
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin, selectors.EVENT_READ)
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.truncate(0)
                    file.write(f"{os.getpid()}\n")
                    file.flush()
                    return file
                if not told:
                    file.seek(0)
                    report(f"waiting {file.read().strip() or '?'}")
                    told = True
                if selector.select(0.2) and not os.read(0, 4096):
                    return None

    def watch(self, program: subprocess.Popen[bytes]) -> str:
        """Returns why it is over: owner-gone, silent, deadline, or exit STATUS."""
        assert program.stderr is not None
        exited = os.pidfd_open(program.pid)
        heard_at = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for source in (sys.stdin, program.stderr, exited):
                selector.register(source, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now >= self.ends_at:
                    return "deadline"
                if now - heard_at >= self.silence:
                    return "silent"
                for key, _ in selector.select(min(self.ends_at, heard_at + self.silence) - now):
                    if key.fileobj is sys.stdin:
                        if not os.read(0, 4096):
                            return "owner-gone"
                        heard_at = time.monotonic()
                    elif key.fileobj is program.stderr:
                        if not self.listen(os.read(key.fd, 65536)):
                            selector.unregister(program.stderr)
                    else:
                        return f"exit {program.wait()}"

    def listen(self, data: bytes) -> bool:
        """Take what the program wrote; False at its end of file."""
        *lines, self.partial = (self.partial + data).split(b"\n")
        self.partial = self.partial[-4096:]
        for line in lines:
            if match := LISTENING.search(line):
                report(f"listening {match[1].decode()}")
            self.tail.append(line[:500])
        return bool(data)


def report(line: str) -> None:
    """A line to the owner, who may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, line.encode() + b"\n")


def guard(warden: Warden, command: list[str], profile: str) -> int:
    """Run `command` until it is over for whatever reason; 0 when nothing of it is left."""
    program = subprocess.Popen(
        [argument.replace("{profile}", profile) for argument in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": profile, "XDG_CONFIG_HOME": profile, "XDG_CACHE_HOME": profile},
        preexec_fn=bind_to_parent,  # noqa: PLW1509 - this process has one thread
    )
    reason = "failed"
    try:
        reason = warden.watch(program)
    finally:
        killed, left = kill_all(profile)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        report(f"ended {reason} killed={killed} left={left} cpu={spent.ru_utime + spent.ru_stime:.1f}")
    if not left and program.stderr is not None:
        warden.listen(program.stderr.read() + b"\n")
    for line in warden.tail:
        report("| " + line.decode(errors="replace"))
    return 1 if left else 0


def main(silence: str, deadline: str, lock: str, *command: str) -> int:
    """Guard `command` under the lock and with a fresh profile."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # what ends the tests must not end the one who cleans up after them
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    warden = Warden(float(silence), float(deadline))
    locked = None if lock == "-" else warden.lock(lock)  # closing the file, also by forgetting it, would unlock it
    if locked is None and lock != "-":
        return 0
    profile = tempfile.mkdtemp(prefix="arcly-browser-")
    try:
        report(f"started {profile}")
        return guard(warden, list(command), profile)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
        if locked is not None:
            locked.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
