"""The pytest plugin as its users have it: what is collected, and what a failure reads like."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
FIXTURES = """
import asyncio

def test_time_is_virtual(arcly_engine, virtual_clock):
    async def scenario(engine):
        await asyncio.sleep(3600)
        return "done"
    assert arcly_engine(scenario) == "done"
    assert virtual_clock.monotonic_ns() >= 3600 * 10**9

def test_waiting_for_what_never_comes(arcly_engine):
    async def scenario(engine):
        await engine.stream("live/nobody")
    arcly_engine(scenario)

def test_marbles(marbles):
    assert marbles.of(marbles("k-d|")) == "k--d|"
"""


def test_scripts_and_fixtures_in_somebodys_project(tmp_path: Path) -> None:
    good = (SCRIPTS / "expect-takeover.jsonl").read_text()
    (tmp_path / "good.jsonl").write_text(good)
    (tmp_path / "unmet.jsonl").write_text(good.replace('"count": 14', '"count": 99'))
    settled = (SCRIPTS / "ffmpeg-rtmp.jsonl").read_text()
    (tmp_path / "differs.jsonl").write_text(settled.replace('"PublishStarted"', '"PublishResumed"', 1))
    (tmp_path / "broken.jsonl").write_text('{"script": 1}\n{"is": "opne"}\n')
    (tmp_path / "data.jsonl").write_text('{"somebody": "else\'s"}\n')
    (tmp_path / "test_fixtures.py").write_text(FIXTURES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    out = ran.stdout
    assert ran.returncode == 1
    assert "5 failed, 2 passed" in out, out
    assert f"{tmp_path}/unmet.jsonl:5: expected 99 frames, and 16 came" in out
    assert f"{tmp_path}/broken.jsonl:2: 'opne' is no kind of record (did you mean 'open'?)" in out
    assert "the events of live/cam goes another way at " in out
    assert "  - " in out
    assert "event what=PublishResumed" in out
    assert "VirtualDeadlock: nothing is scheduled" in out
    assert "assert 'k-d|' == 'k--d|'" in out
    assert "data.jsonl" not in out
    assert "pytest_plugin.py" not in out  # what failed is the script: a trace through the plugin tells nothing
