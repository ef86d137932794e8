"""The house rules, run over every file; and that each of them can fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import rules
from tests.support.rules import Rule

CLOCKS = rules.only_the_clock_reads_time_and_randomness
TABLE = rules.imports_follow_the_table
DOCUMENTED = rules.public_things_are_documented

ROOT = Path(__file__).parents[1]
FOLDERS = ("arcly_actors", "tests", "bench", "examples", "specs", ".ci")
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".html", ".css", ""}
# The rules' own words, and what was recorded from elsewhere.
EXEMPT = ("tests/support/rules.py", "tests/test_rules.py", "tests/data/", "tests/corpora/")


def project_files() -> Iterator[tuple[str, str]]:
    """Every text file of the project: its path from the root, and its text."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    for path in sorted({*inside, *ROOT.glob("*")}):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and path.suffix in TEXT and "__pycache__" not in name and not path.name.startswith(".git"):
            yield name, path.read_text(encoding="utf-8", errors="replace")


FILES = tuple(project_files())


@pytest.mark.xdist_group("rules")  # one worker parses each file once for all of them
@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    exempt = EXEMPT if rule is rules.nothing_names_a_machine else ()
    assert [fault for path, text in FILES if not path.startswith(exempt) for fault in rule(path, text)] == []


def test_every_link_leads_to_a_file() -> None:
    texts = [(path, text) for path, text in FILES if path.endswith(".md")]
    found = [(path, link) for path, text in texts for link in rules.links(text)]
    assert {path for path, _ in found} >= {"README.md", "CONTRIBUTING.md"}
    assert [(path, link) for path, link in found if not ((ROOT / path).parent / link).exists()] == []


def test_links_are_seen() -> None:
    text = "[a](b.md#c) [d](https://e) [f](#g) `[h](i)`\n```\n[j](k)\n```\n[l]: m/n.md\n![o](<p.png>)"
    assert rules.links(text) == ["b.md", "p.png", "m/n.md"]


def test_the_rules_see_the_project() -> None:
    paths = {path for path, _ in FILES}
    assert {"arcly_actors/clock.py", "tests/test_rules.py", "pyproject.toml", "Makefile", ".ci/run"} <= paths
    assert {path.split("/")[1] for path in paths if path.count("/") > 1 and rules.is_package(path)} >= {"media", "bus"}


LONG = "def long() -> None:\n" + "    call()\n" * rules.MAX_FUNCTION_LINES
BREAKING: tuple[tuple[Rule, str, str], ...] = (
    (TABLE, "arcly_actors/ingest/rtmp.py", "from arcly_actors.egress import rtmp"),
    (TABLE, "arcly_actors/egress/rtmp.py", "import arcly_actors.ingest.rtmp"),
    (TABLE, "arcly_actors/media/frame.py", "from arcly_actors import bus"),
    (TABLE, "arcly_actors/media/frame.py", "from ..bus.key import StreamKey"),
    (
        TABLE,
        "arcly_actors/bus/bus.py",
        "def f():\n    from arcly_actors.topology import Topology",
    ),
    (TABLE, "arcly_actors/runtime/actor.py", "import arcly_actors.media.frame"),
    (
        TABLE,
        "arcly_actors/protocols/rtmp/engine.py",
        "from arcly_actors.protocols.rtsp import x",
    ),
    (TABLE, "arcly_actors/protocols/rtp/engine.py", "from arcly_actors.protocols import srt"),
    (TABLE, "arcly_actors/clock.py", "from arcly_actors.media import frame"),
    (TABLE, "arcly_actors/transport/connection.py", "from arcly_actors.protocols.rtmp import engine"),
    (TABLE, "arcly_actors/bus/bus.py", "from arcly_actors.protocols.outputs import Emit"),
    (TABLE, "arcly_actors/misc/x.py", ""),
    (rules.wire_formats_are_pure, "arcly_actors/protocols/rtmp/engine.py", "import os.path"),
    (rules.wire_formats_are_pure, "arcly_actors/media/aac.py", "def f():\n    from asyncio import sleep"),
    (rules.modules_are_small, "bench/load.py", "\n" * (rules.MAX_MODULE_LINES + 1)),
    (rules.functions_are_small, "tests/bus/test_log.py", LONG),
    (rules.functions_are_small, "arcly_actors/bus/log.py", "class A:\n    async " + LONG.replace("\n    ", "\n        ")),
    (rules.tests_do_not_sleep, "tests/bus/test_log.py", "await asyncio.sleep(0.1)"),
    (rules.tests_do_not_sleep, "tests/support/waiting.py", "sleep(delay)"),
    (CLOCKS, "arcly_actors/bus/log.py", "from time import monotonic"),
    (CLOCKS, "arcly_actors/bus/log.py", "import random"),
    (CLOCKS, "arcly_actors/bus/log.py", "from os import urandom"),
    (CLOCKS, "arcly_actors/bus/log.py", "os.urandom(8)"),
    (CLOCKS, "arcly_actors/bus/log.py", "uuid.uuid4()"),
    (CLOCKS, "arcly_actors/cli/run.py", "dt.datetime.now(dt.UTC)"),
    (CLOCKS, "arcly_actors/bus/log.py", "self._loop.time()"),
    (CLOCKS, "arcly_actors/bus/log.py", "asyncio.get_running_loop().time()"),
    (rules.names_say_something, "arcly_actors/bus/log.py", "class StreamManager: ..."),
    (rules.names_say_something, "arcly_actors/bus/log.py", "class BaseStream: ..."),
    (rules.names_say_something, "tests/support/utils.py", ""),
    (rules.names_say_something, "arcly_actors/bus/stream_helpers.py", ""),
    (rules.tests_assert_something, "tests/test_a.py", "def test_a():\n    call()"),
    (rules.tests_assert_something, "tests/test_a.py", "async def test_a():\n    assert True"),
    (rules.nothing_names_a_machine, "README.md", "cd /home/me/project"),
    (rules.nothing_names_a_machine, "Makefile", "pip install --index-url https://example"),
    (rules.nothing_names_a_machine, ".ci/run", 'PATH="/root/bin:$PATH"'),
    (DOCUMENTED, "arcly_actors/bus/log.py", ""),
    (DOCUMENTED, "arcly_actors/bus/log.py", '"""M."""\nclass A:\n    x = 1'),
    (
        DOCUMENTED,
        "arcly_actors/bus/log.py",
        '"""M."""\nclass A:\n    """A."""\n    def b(self): ...',
    ),
)
KEEPING: tuple[tuple[Rule, str, str], ...] = (
    (TABLE, "arcly_actors/media/frame.py", "from arcly_actors import errors, limits"),
    (TABLE, "arcly_actors/media/frame.py", "from arcly_actors.media.codec import Kind"),
    (TABLE, "arcly_actors/media/frame.py", "import dataclasses"),
    (TABLE, "arcly_actors/protocols/rtsp/engine.py", "from arcly_actors.protocols.rtp import x"),
    (
        TABLE,
        "arcly_actors/protocols/rtsp/engine.py",
        "from arcly_actors.protocols.outputs import x",
    ),
    (
        TABLE,
        "arcly_actors/protocols/rtsp/engine.py",
        "from arcly_actors.protocols.rtsp import x",
    ),
    (TABLE, "arcly_actors/endpoints/rtmp.py", "import arcly_actors.ingest, arcly_actors.egress"),
    (TABLE, "arcly_actors/transport/connection.py", "from arcly_actors.protocols.outputs import Emit"),
    (TABLE, "tests/test_a.py", "import arcly_actors.anything"),
    (rules.wire_formats_are_pure, "arcly_actors/bus/log.py", "import asyncio"),
    (rules.functions_are_small, "arcly_actors/bus/log.py", LONG.removesuffix("    call()\n")),
    (rules.tests_do_not_sleep, "tests/test_a.py", "await asyncio.sleep(0)"),
    (CLOCKS, "arcly_actors/clock.py", "import time"),
    (CLOCKS, "arcly_actors/runtime/virtual.py", "self.loop.time()"),
    (CLOCKS, "arcly_actors/bus/log.py", "clock.monotonic_ns(); frame.time()"),
    (CLOCKS, "arcly_actors/bus/log.py", "uuid.UUID(bytes=entropy.random_bytes(16))"),
    (rules.names_say_something, "arcly_actors/media/database.py", "class Commonwealth(logging.Handler): ..."),
    (rules.tests_assert_something, "tests/test_a.py", "def test_a():\n    with pytest.raises(E):\n        call()"),
    (rules.tests_assert_something, "tests/test_a.py", "def test_a():\n    check_frames(made)"),
    (rules.nothing_names_a_machine, "README.md", "GET /homepage and ./work/x and $(HOME)/home"),
    (
        DOCUMENTED,
        "arcly_actors/bus/log.py",
        '"""M."""\ndef _f(): ...\nclass _A:\n    def b(self): ...',
    ),
)


@pytest.mark.parametrize(("rule", "path", "text"), BREAKING)
def test_a_rule_sees_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    (fault,) = rule(path, text)
    assert fault.startswith(path)


@pytest.mark.parametrize(("rule", "path", "text"), KEEPING)
def test_a_rule_lets_pass_what_keeps_it(rule: Rule, path: str, text: str) -> None:
    assert rule(path, text) == []


def test_every_rule_has_an_example_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BREAKING} == set(rules.RULES)
