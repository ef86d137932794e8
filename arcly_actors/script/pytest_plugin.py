"""The pytest plugin that the package ships: scripts are tests, and fixtures for engines in virtual time.

Files ``*.jsonl`` whose first line begins a script are collected wherever pytest looks. Each is replayed, compared, and
has to meet what it expects. For tests in Python: `virtual_clock`, `scripted_transport`, `arcly_engine`, `marbles`.

It imports nothing of the engine until a script or a fixture is used.
"""

from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from arcly_actors.clock import VirtualClock
    from arcly_actors.engine import Engine
    from arcly_actors.script.marbles import MarbleTest
    from arcly_actors.script.network import ScriptedNetwork
    from arcly_actors.topology import Topology

T = TypeVar("T")

_MARK = b'{"script"'
_LOOK = 4096


class ScriptDiffers(Exception):
    """A replay went another way, or an expectation was not met; the text says where."""


class ScriptFile(pytest.File):
    """A file with a script."""

    def collect(self) -> Iterable[pytest.Item]:
        """Its one test."""
        yield ScriptItem.from_parent(self, name="replay")


class ScriptItem(pytest.Item):
    """A script as a test."""

    def runtest(self) -> None:
        """Replay it."""
        from arcly_actors.script import read_file  # noqa: PLC0415 - see the module
        from arcly_actors.script.check import check  # noqa: PLC0415

        replayed, failures = check(read_file(self.path))
        if replayed.divergence is not None:
            raise ScriptDiffers("\n".join(replayed.divergence.lines()))
        if failures:
            raise ScriptDiffers("\n".join(failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What differs, or what is wrong with the script; a trace only for a defect."""
        from arcly_actors.errors import ConfigurationError  # noqa: PLC0415 - see the module

        if isinstance(excinfo.value, ScriptDiffers | ConfigurationError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is."""
        return self.path, 0, f"script {self.path.name}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScriptFile | None:
    """Collect scripts; other JSON Lines are somebody else's."""
    if file_path.suffix != ".jsonl":
        return None
    with file_path.open("rb") as file:
        beginning = file.read(_LOOK)
    lines = [line for line in beginning.splitlines() if line.strip() and not line.startswith(b"#")]
    if not lines or not lines[0].startswith(_MARK):
        return None
    found: ScriptFile = ScriptFile.from_parent(parent, path=file_path)
    return found


@pytest.fixture
def virtual_clock() -> "VirtualClock":
    """The clock of this test's virtual time: `monotonic_ns`, `wall_ns`; `step` sets the wall clock forward."""
    from arcly_actors.clock import VirtualClock  # noqa: PLC0415 - see the module

    return VirtualClock()


@pytest.fixture
def scripted_transport() -> "ScriptedNetwork":
    """The network of `arcly_engine`: ``connect(address, peer)`` gives the peer's end of a connection."""
    from arcly_actors.script.network import ScriptedNetwork  # noqa: PLC0415 - see the module

    return ScriptedNetwork()


@pytest.fixture
def arcly_engine(virtual_clock: "VirtualClock", scripted_transport: "ScriptedNetwork") -> "RunScenario":
    """Runs a scenario with an engine in virtual time: ``arcly_engine(scenario, topology)`` gives its result.

    ``async def scenario(engine)`` may sleep for hours at no cost, and goes the same way each time; `seed` decides chance.
    """
    from arcly_actors.script.virtual import run_engine  # noqa: PLC0415 - see the module

    def run(
        scenario: "Callable[[Engine], Coroutine[Any, Any, T]]", topology: "Topology | None" = None, seed: int = 0
    ) -> T:
        __tracebackhide__ = True
        return run_engine(scenario, topology, clock=virtual_clock, network=scripted_transport, seed=seed)

    return run


@pytest.fixture
def marbles() -> "MarbleTest":
    """Streams as text: ``marbles("k--d--d--k|")`` is an observable of frames, ``marbles.of(observable)`` what comes of
    one, ``marbles.watched("k--d--d--k|", "----^")`` what the viewers of a stream see.
    """
    from arcly_actors.script.marbles import MarbleTest  # noqa: PLC0415 - see the module

    return MarbleTest()


RunScenario = Callable[..., Any]
"""See `arcly_engine`."""
