"""The command: what it prints and how it exits."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arcly_actors.cli import app
from arcly_actors.cli.exits import Exit
from arcly_actors.version import VERSION

SPECS = Path(__file__).parents[2] / "specs"
runner = CliRunner()


def test_check_tells_what_a_good_topology_would_serve() -> None:
    path = SPECS / "topologies/live.yaml"
    result = runner.invoke(app, ["check", str(path)])
    assert result.exit_code == Exit.OK
    assert result.output.splitlines() == [
        f"{path}: ok",
        "  applications: live",
        "  rtmp: 127.0.0.1:1935",
        "  rtsp: 127.0.0.1:8554",
        "  http: 127.0.0.1:8080",
        "  webrtc: 127.0.0.1:8189",
        "  srt: 127.0.0.1:8890",
    ]


def test_check_tells_every_mistake_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("version: 1\napplication: {}\nendpoints: {rtmp: {listen: 127.0.0.1:x}}\n")
    result = runner.invoke(app, ["check", str(path)])
    assert result.exit_code == Exit.INVALID
    assert result.output.splitlines() == [
        f"{path}:2:1: application: unknown key (did you mean 'applications'?)",
        f"{path}:3:28: endpoints.rtmp.listen: 'x' is not a port (a port is a number from 0 to 65535)",
        "2 mistakes",
    ]


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = runner.invoke(app, ["check", str(tmp_path / "none.yaml")])
    assert result.exit_code == Exit.INVALID
    assert result.output.splitlines()[-1] == "1 mistake"


def test_brackets_in_a_mistake_are_not_markup(tmp_path: Path) -> None:
    path = tmp_path / "[red]t.yaml"
    path.write_text('version: 1\n"[bold]x": 1\n')
    result = runner.invoke(app, ["check", str(path)])
    assert result.output.startswith(f"{path}:2:1: [bold]x: unknown key")


def test_the_schema_command_prints_the_exported_file() -> None:
    result = runner.invoke(app, ["schema"])
    assert result.exit_code == Exit.OK
    assert result.output == (SPECS / "topology.schema.json").read_text(encoding="utf-8")


def test_the_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (Exit.OK, f"arcly {VERSION}\n")


@pytest.mark.parametrize("arguments", [["check"], ["chek"], ["check", "a", "b"], ["--verson"]])
def test_a_wrong_command_line_is_invalid(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == Exit.INVALID


def test_in_a_pipe_there_are_no_colours_and_no_wrapped_lines(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 40 + ".yaml")
    path.write_text("version: 1\nlimit: {}\n")
    done = subprocess.run(
        [sys.executable, "-m", "arcly_actors", "check", str(path)], capture_output=True, timeout=50, check=False
    )
    assert done.returncode == Exit.INVALID
    expected = f"{path}:2:1: limit: unknown key (did you mean 'limits'?)\n1 mistake\n"
    assert (done.stdout.decode(), done.stderr) == (expected, b"")
