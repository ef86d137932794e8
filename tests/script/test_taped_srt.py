"""SRT sources and sinks on tapes that do more than call: those that listen or meet halfway, and encrypted ones."""

from dataclasses import replace
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import SourceFailed
from arcly_actors.clock import NS_PER_S
from arcly_actors.protocols.srt.packet import HEADER_SIZE
from arcly_actors.script import Script, edit, faults
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Address, Application, Endpoints, Http, Rtmp, Rtsp, Srt, SrtSecurity, Topology, WebRtc
from tests.script.clip import clip, sending
from tests.script.dialling import let_go, rolled
from tests.script.test_dialled import pictures
from tests.script.test_taped_dials import assert_replays, happened, kinds, of, secret_free
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

SECRET = "correct-horse-ü"
QUOTED = "correct-horse-%C3%BC"
FAR = Topology(
    applications={"live": Application(), "locked": Application(srt=SrtSecurity(passphrase=SECRET, pbkeylen=32))},
    endpoints=Endpoints(
        rtmp=Rtmp(enabled=False),
        rtsp=Rtsp(enabled=False),
        srt=Srt(listen=Address("127.0.0.1", 3)),
        http=Http(enabled=False),
        webrtc=WebRtc(enabled=False),
    ),
)
"""A server elsewhere; streams of ``locked`` are encrypted."""

HALFWAY = "mode=rendezvous&adapter=127.0.0."
PULLED = {
    "listener": ("srt://127.0.0.1:9001?mode=listener&streamid=door-four", "srt://127.0.0.1:9001?streamid=door-four"),
    "listener-encrypted": (
        f"srt://127.0.0.1:9001?mode=listener&passphrase={QUOTED}",
        f"srt://127.0.0.1:9001?passphrase={QUOTED}&pbkeylen=24&kmrefreshrate=16&kmpreannounce=4",
    ),
    "rendezvous": (f"srt://127.0.0.2:9002?{HALFWAY}1", f"srt://127.0.0.1:9002?{HALFWAY}2"),
    "rendezvous-encrypted": (
        f"srt://127.0.0.2:9002?{HALFWAY}1&passphrase={QUOTED}",
        f"srt://127.0.0.1:9002?{HALFWAY}2&passphrase={QUOTED}",
    ),
    "caller-encrypted": (f"srt://127.0.0.1:3?streamid=read:locked/cam&passphrase={QUOTED}&pbkeylen=32", ""),
}
"""What we pull from, and where the other end pushes to; empty: it is pulled from."""

SINKS = {
    "listener": ("srt://127.0.0.1:9001?mode=listener", "srt://127.0.0.1:9001"),
    "listener-encrypted": (
        f"srt://127.0.0.1:9001?mode=listener&passphrase={QUOTED}&kmrefreshrate=16&kmpreannounce=4",
        f"srt://127.0.0.1:9001?passphrase={QUOTED}&pbkeylen=24",
    ),
    "rendezvous-encrypted": PULLED["rendezvous-encrypted"],
    "caller-encrypted": (
        f"srt://127.0.0.1:3?streamid=publish:locked/there&passphrase={QUOTED}&pbkeylen=32&kmrefreshrate=16", "",
    ),
}  # fmt: skip


def taped(does: str, over: str, path: Path) -> Script:
    """A session of an engine whose other end comes after a while, and leaves."""
    clip()
    ours, theirs = (PULLED if does == "pull" else SINKS)[over]
    away = "locked" if "locked" in ours else "live"

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/here", path) as tape:
            pull = does == "pull"
            handle: arcly.SourceHandle | arcly.SinkHandle = await (engine.pull if pull else engine.push)(
                "live/here", ours
            )
            await pass_time(NS_PER_S)
            async with (
                another(engine, FAR) as far,
                sending(far if pull else engine, f"{away}/cam" if pull else "live/here"),
            ):
                if theirs and pull:
                    await far.push(f"{away}/cam", theirs)
                elif theirs:
                    await far.pull("live/there", theirs)
                await pictures(*((engine, "live/here") if pull else (far, f"{away}/there")), 30)
            await let_go(handle)
        assert not tape.lost

    return rolled(scenario, path)


@pytest.mark.parametrize(("does", "over"), [("pull", each) for each in PULLED] + [("push", each) for each in SINKS])
def test_what_listens_meets_halfway_or_is_encrypted_is_on_the_tape_and_replays(
    does: str, over: str, tmp_path: Path
) -> None:
    script = taped(does, over, tmp_path / "srt.jsonl")
    found = kinds(script)
    assert len(of(script, "remote")) == 1
    assert found["dial"] >= 1
    assert found["datagram"] > 20
    assert found["sent"] > 10
    assert ("SourceConnected" if does == "pull" else "SinkConnected") in happened(script.records)
    assert found["publish"] == (does == "push")
    assert secret_free(tmp_path / "srt.jsonl", script, SECRET, QUOTED, "door-four", "ruod-rood")
    replayed = [replay(script) for _ in range(2)]
    assert replayed[0].divergence is None, "\n".join(replayed[0].divergence.lines())
    assert replayed[0].records == replayed[1].records
    assert replay(replayed[0].settled()).divergence is None
    if "refresh" in "".join((PULLED if does == "pull" else SINKS)[over]):
        assert len({each.data[HEADER_SIZE:] for each in script.records if each.data and is_material(each.data)}) > 1


def is_material(data: bytes) -> bool:
    return data[:2] == b"\xff\xff" and data[3] == 3


def listening(path: Path, caller: str, ours: str = PULLED["listener-encrypted"][0], seconds: int = 3) -> Script:
    """A source that listened before the tape began, and who calls it then."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        handle = await engine.pull("live/here", ours)
        await pass_time(NS_PER_S)
        async with engine.tape("live/here", path), another(engine, FAR) as far, sending(far, "live/cam"):
            await far.push("live/cam", caller)
            await let_go(handle, seconds)

    return rolled(scenario, path)


def test_a_tape_that_begins_while_it_listens_has_who_comes(tmp_path: Path) -> None:
    script = listening(tmp_path / "late.jsonl", PULLED["listener-encrypted"][1])
    assert "SourceConnected" in happened(script.records)
    assert kinds(script)["publish"] == 0
    assert_replays(script)


def test_one_that_has_been_called_before_the_tape_is_by_frames(tmp_path: Path) -> None:
    path = tmp_path / "later.jsonl"
    ours, theirs = PULLED["listener"]
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with another(engine, FAR) as far, sending(far, "live/cam"):
            await engine.pull("live/here", ours)
            await far.push("live/cam", theirs)
            await pictures(engine, "live/here", 10)
            async with engine.tape("live/here", path):
                await pictures(engine, "live/here", 10)

    script = rolled(scenario, path)
    assert kinds(script)["remote"] == kinds(script)["datagram"] == 0
    assert kinds(script)["send"] >= 10
    assert_replays(script)


def test_who_has_another_passphrase_is_turned_away_in_the_replay_too(tmp_path: Path) -> None:
    """Neither ours nor theirs is on the tape, nor what was wrapped with either."""
    script = listening(tmp_path / "wrong.jsonl", "srt://127.0.0.1:9001?passphrase=wrong-horse-wrong", seconds=2)
    assert "SourceConnected" not in happened(script.records)
    materials = [
        each.data for each in script.records if each.kind == "datagram" and each.data and b"\x12\x20\x29" in each.data
    ]
    assert materials
    assert all(data.endswith(b"x" * 24) for data in materials)
    assert secret_free(tmp_path / "wrong.jsonl", script, SECRET, "wrong-horse")
    assert_replays(script)


def test_a_port_that_is_taken_is_so_in_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "taken.jsonl"

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape(None, path):
            for key, url in (("live/one", PULLED["listener"][0]), ("live/two", "srt://127.0.0.1:9001?mode=listener")):
                await engine.pull(key, url)
                await pass_time(NS_PER_S // 10)
            await pass_time(2 * NS_PER_S)

    script = rolled(scenario, path)
    told = {record.fields["why"] for record in of(script, "unanswered")}
    assert told == {"cannot listen on 127.0.0.1:9001: another endpoint has it"}
    alone = replace(script, records=tuple(each for each in script.records if not each.who.startswith("pull-1")))
    made = replay(alone)
    assert happened(made.records).count("SourceFailed") == happened(script.records).count("SourceFailed") > 1
    assert_replays(script)


def test_faults_are_for_who_comes_to_a_listener_too(tmp_path: Path) -> None:
    script = listening(tmp_path / "faults.jsonl", PULLED["listener-encrypted"][1])
    script = replace(script, records=tuple(each for each in script.records if each.kind != "withdrawn"))
    for text in (
        "disconnect pull-1-1.caller-1@2s",
        "disconnect pull@2s",
        "refuse pull@0s",
        "loss 2%",
        "stall live/here@2s+500ms",
    ):
        made = replay(edit.apply(script, [edit.read_fault(text, script.duration_ns)], seed=7))
        made_again = replay(made.settled())
        assert made_again.divergence is None, text
        assert made.records == made_again.records
        events = happened(made.records)
        assert ("PublishStarted" in events) == ("refuse" not in text)
        if "disconnect" in text:
            assert events.count("SourceFailed") > happened(script.records).count("SourceFailed")


def test_a_listener_can_be_refused_on_purpose() -> None:
    async def scenario(engine: arcly.Engine) -> list[str]:
        errors: list[str] = []
        engine.events.observable.subscribe(
            lambda event: errors.append(event.error) if isinstance(event, SourceFailed) else None
        )
        engine.inject(faults.refuse("pull", length="1s"))
        await engine.pull("live/here", PULLED["listener"][0])
        await pass_time(3 * NS_PER_S)
        return errors

    assert set(run_engine(scenario, LOOPBACK, seed=4)) == {"cannot listen on port 9001: refused on purpose"}
