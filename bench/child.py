"""A child process that says what happens in lines of JSON, pinned to its cores from its first instruction."""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

Cores = frozenset[int]


def say(**line: object) -> None:
    """In the child: what happens, as its parent's `Child` reads it."""
    print(json.dumps(line), flush=True)


@contextmanager
def on_cores(cores: Cores) -> Iterator[None]:
    """Run the block on these cores; children started in it stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """One process: its id, its events, its end. Use it as a context manager: it never outlives the block."""

    def __init__(self, command: Sequence[str | Path], cores: Cores, *, log: Path | None = None) -> None:
        self._name = Path(command[0]).name + " " + " ".join(map(str, command[1:4]))
        self._log = log.open("wb") if log else None
        with on_cores(cores):
            self._process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE, stdout=self._log or subprocess.PIPE,
                stderr=self._log and subprocess.STDOUT,
            )  # fmt: skip
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_event(self, event: str, timeout: float) -> dict[str, Any]:
        """The next line of JSON whose "event" is this one; RuntimeError when it ends first or takes `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._line(deadline)
            if line is None:
                raise RuntimeError(f"{self._name}: no {event!r} (exit code {self._process.poll()})")
            message: dict[str, Any] = json.loads(line)
            if message.get("event") == event:
                return message

    def terminate(self) -> None:
        """Send SIGTERM and go on."""
        self._process.terminate()

    def stop(self) -> None:
        """End it: its stdin closes, SIGTERM, and SIGKILL for one that has not gone after 10 s."""
        if self._process.stdin:
            self._process.stdin.close()
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._log):
            if stream:
                stream.close()

    def _line(self, deadline: float) -> bytes | None:
        output = self._process.stdout
        assert output is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([output], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(output.fileno(), 1 << 16) if ready else b""
            if not data:
                return None
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line
