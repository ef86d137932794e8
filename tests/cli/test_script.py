"""`arcly script`: its four commands as a person runs them, what they say of mistakes, and how they exit."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.cli import main
from arcly_actors.cli.exits import Exit
from arcly_actors.script import read_file
from tests.bus.frames import VIDEO, pictures
from tests.support.loopback import LOOPBACK
from tests.support.waiting import until

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
RTMP = SCRIPTS / "ffmpeg-rtmp.jsonl"
HAND_WRITTEN = SCRIPTS / "expect-takeover.jsonl"


def arcly_script(
    *arguments: str | Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Exit code, output and errors of ``arcly script ...``, run within this process."""
    monkeypatch.setattr(sys, "argv", ["arcly", "script", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), out, err


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> "Script":
    return Script(capsys, monkeypatch)


class Script:
    """See `arcly_script`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        return arcly_script(*arguments, capsys=self._capsys, monkeypatch=self._monkeypatch)


def test_a_replay_that_is_the_same(script: Script) -> None:
    code, out, err = script("replay", RTMP)
    assert (code, err) == (Exit.OK, "")
    assert out.startswith(f"{RTMP}: the same, ")
    assert out.endswith(" records, in 3.246 s of virtual time\n")
    code, out, _ = script("replay", HAND_WRITTEN)
    assert (code, out) == (Exit.OK, f"{HAND_WRITTEN}: 3 expectations met, in 4.000 s of virtual time\n")


def test_a_replay_that_goes_another_way_says_where(script: Script, tmp_path: Path) -> None:
    lines = RTMP.read_bytes().splitlines(keepends=True)
    index = next(at for at, line in enumerate(lines) if b'"AcceptPublish"' in line)
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_bytes(
        b"".join([*lines[:index], lines[index].replace(b"AcceptPublish", b"RefusePublish"), *lines[index + 1 :]])
    )
    code, out, _ = script("replay", wrong)
    assert code == Exit.FAILED
    first, *rest = out.splitlines()
    assert first.startswith("the session of rtmp-1 goes another way at ")
    assert next(line for line in rest if line.startswith("  - ")).endswith(f"(line {index + 1})")
    assert any(line.startswith("  + ") and "AcceptPublish" in line for line in rest)


def test_an_expectation_that_is_not_met_is_told_with_its_line(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "hope.jsonl"
    path.write_text('{"script": 1}\n{"at": "1s", "expect": "PublishHeld", "within": "1s"}\n{"at": "3s", "is": "end"}\n')
    code, out, _ = script("replay", path)
    assert code == Exit.FAILED
    assert out == f"{path}:2: expected 1 x PublishHeld within 1s, and 0 came; there were no messages\n"


def test_settling(script: Script, tmp_path: Path) -> None:
    settled = tmp_path / "settled.jsonl"
    code, out, _ = script("replay", HAND_WRITTEN, "--settle", settled)
    assert (code, out.splitlines()[0]) == (Exit.OK, f"{settled}: settled")
    assert read_file(settled).head.exact
    assert script("replay", settled)[0] == Exit.OK


def test_show_draws(script: Script, tmp_path: Path) -> None:
    code, out, _ = script("show", SCRIPTS / "publisher-reconnect.jsonl")
    assert code == Exit.OK
    assert "ffmpeg" in out
    assert any(line.endswith("[HELD]") and "▶" in line for line in out.splitlines())
    page = tmp_path / "page.html"
    code, out, _ = script("show", RTMP, "--html", page)
    assert (code, out) == (Exit.OK, f"{page}: written; open it in a browser\n")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
    assert "http" not in text.replace("http://127.0.0.1", "").replace("https://", "http")[:2000]


def test_show_of_a_hand_written_script_has_what_comes_of_it(script: Script) -> None:
    code, out, _ = script("show", HAND_WRITTEN)
    assert code == Exit.OK
    assert "PublishResumed" in out
    assert "[EXPECT]" in out


def test_a_truncated_script_is_replayed_and_said_to_be(script: Script, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(HAND_WRITTEN.read_bytes()[:-9])
    for command in ("replay", "show"):
        code, _, err = script(command, cut)
        assert code == Exit.OK
        assert err == "the last line is incomplete, for its writer was ended, and was left out\n"


def test_edit_makes_a_script_that_is_a_test(script: Script, tmp_path: Path) -> None:
    made = tmp_path / "made.jsonl"
    code, out, _ = script("edit", RTMP, "-o", made, "--jitter", "40ms", "--crash", "publisher@1s", "--seed", "7")
    assert code == Exit.OK
    assert out.startswith(f"{made}: ")
    assert any(record.get("what") == "PublishHeld" for record in read_file(made).records)
    assert script("replay", made)[0] == Exit.OK
    hidden = tmp_path / "hidden.jsonl"
    assert script("edit", RTMP, "-o", hidden, "--redact", "--from", "0s", "--until", "1s")[0] == Exit.OK
    assert all(record.data is None for record in read_file(hidden).records)
    assert script("edit", RTMP, "-o", tmp_path / "side.jsonl", "--side")[0] == Exit.OK
    assert read_file(tmp_path / "side.jsonl").records == read_file(RTMP).records


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay", "none.jsonl"], "arcly: none.jsonl: No such file or directory"),
        (["replay", RTMP, "--speed", "fast"], "arcly: --speed is virtual, or real with --to URL"),
        (["replay", RTMP, "--speed", "real"], "arcly: --speed is virtual, or real with --to URL"),
        (["edit", RTMP, "-o", "x"], "arcly: nothing to edit: say what, as --from 2s or --crash publisher@2.5s (--help"),
        (["edit", RTMP, "-o", "x", "--loss", "much"], "arcly: 'much' is not a share; write it as 3%"),
        (["edit", RTMP, "-o", "x", "--crash", "moon@1s"], "arcly: crash: not publisher or subscriber or stream"),
        (["edit", RTMP, "-o", "x", "--crash", "gop"], "arcly: 'crash gop' is no fault; there are: loss 3%, jitter"),
        (["edit", RTMP, "-o", "x", "--disconnect", "rtmp-9@1s"], "arcly: rtmp-9 is not connected at 1 s; there is "),
        (["edit", RTMP, "-o", "x", "--from", "5s"], "arcly: nothing is between 5 s and"),
        (["record", "live/cam", "-o", "x", "--for", "long"], "arcly: 'long' is not a duration; write a number and"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_and_exits_with_2(
    script: Script, arguments: list[str | Path], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = script(*arguments)
    assert (code, out) == (Exit.INVALID, "")
    assert err.startswith(told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", HAND_WRITTEN, "--settle", "no/where.jsonl"],
        ["show", HAND_WRITTEN, "--html", "no/where.html"],
        ["edit", RTMP, "-o", "no/where.jsonl", "--redact"],
    ],
)
def test_what_cannot_be_written_is_told_and_exits_with_1(
    script: Script, arguments: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = script(*arguments)
    assert code == Exit.FAILED
    assert err.startswith("arcly: no/where.")
    assert err.endswith(": No such file or directory\n")


def test_recording_without_a_server_says_what_to_do(script: Script, tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    code, _, err = script("record", "live/cam", "-o", tmp_path / "x.jsonl", "--url", url, "--for", "1s")
    assert code == Exit.FAILED
    assert err == (
        f"arcly: no server at {url} (connection refused): start one by `arcly run`, or tell its address by --url\n"
    )
    assert not (tmp_path / "x.jsonl").exists()
    code, _, err = script("record", "live/cam", "-o", tmp_path / "x.jsonl", "--url", "server", "--for", "1s")
    assert (code, err) == (
        Exit.FAILED,
        "arcly: 'server' is no address of a server: that is like http://127.0.0.1:8080\n",
    )


async def _record(engine: arcly.Engine, out: Path, *more: str) -> asyncio.subprocess.Process:
    url = f"http://127.0.0.1:{engine.addresses['http'][0].port}"
    command = [sys.executable, "-m", "arcly_actors", "script", "record", "live/cam", "-o", str(out), "--url", url, *more]
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("way", ["its time", "Ctrl-C"])
async def test_recording_from_a_running_server(tmp_path: Path, way: str) -> None:
    out = tmp_path / "made.jsonl"
    async with arcly.Engine(LOOPBACK) as engine, engine.publish("live/cam", (VIDEO,)) as publisher:
        recording = await _record(engine, out, *(("--for", "1s") if way == "its time" else ()))
        await until(lambda: bool(engine.built.system.seams.tapes), 40)
        for frame in pictures(10):
            publisher.send(frame)
        if way == "Ctrl-C":
            await until(lambda: out.exists() and b'"send"' in out.read_bytes())
            recording.send_signal(signal.SIGINT)
        told, problems = await recording.communicate()
    assert (recording.returncode, problems.decode()) == (
        Exit.OK,
        "" if way == "its time" else f"recording live/cam to {out}; Ctrl-C ends it\n",
    )
    assert told.decode().startswith(f"{out}: ")
    assert told.decode().endswith(f"; `arcly script replay {out}` replays it\n")
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_bytes().splitlines()[0])["key"] == "live/cam"
    assert [record.kind for record in read_file(out).records].count("send") > 0
