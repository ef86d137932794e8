"""What an engine dials on tapes and in replays: sources and sinks, who answers them, and no secret of their URLs."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy, VirtualClock
from arcly_actors.loop import run
from arcly_actors.runtime.seams import Place, Remote
from arcly_actors.script import Script, ScriptError, edit, faults, read_file
from arcly_actors.script.masks import Mask
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.record import Record
from arcly_actors.script.replay import replay
from arcly_actors.script.show import text
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Topology
from arcly_actors.topology.endpoints import RtspUser
from arcly_actors.transport.urls import Url
from tests.script.clip import clip, sending
from tests.script.dialling import let_go, network, rolled
from tests.script.test_dialled import FAR, PULLED, PUSHED, pictures
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"


def kinds(script: Script) -> Counter[str]:
    return Counter(record.kind for record in script.records)


def of(script: Script, kind: str) -> list[Record]:
    return [record for record in script.records if record.kind == kind]


def happened(records: tuple[Record, ...]) -> list[str]:
    return [record.fields["what"] for record in records if record.kind == "event"]


def assert_replays(script: Script) -> None:
    found = replay(script).divergence
    assert found is None, "\n".join(found.lines())


def dialled(does: str, over: str, path: Path) -> Script:
    """A session of an engine whose server is not there at first, then is, then goes away."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/here" if does == "pull" else "live/cam", path) as tape:
            if does == "pull":
                url, transport = PULLED[over]
                handle: arcly.SourceHandle | arcly.SinkHandle = await engine.pull("live/here", url, transport=transport)
            else:
                handle = await engine.push("live/cam", PUSHED[over])
            await pass_time(NS_PER_S)
            async with another(engine, FAR) as far, sending(far if does == "pull" else engine, "live/cam"):
                await pictures(*((engine, "live/here") if does == "pull" else (far, "live/there")), 30)
            await let_go(handle)
        assert not tape.lost

    return rolled(scenario, path)


@pytest.mark.parametrize(
    ("does", "over"), [("pull", each) for each in PULLED] + [("push", each) for each in PUSHED if each != "udp"]
)
def test_what_is_dialled_is_on_the_tape_and_replays(does: str, over: str, tmp_path: Path) -> None:
    script = dialled(does, over, tmp_path / "dialled.jsonl")
    found = kinds(script)
    (remote,) = of(script, "remote")
    assert remote.fields["does"] == does
    dials = [record.who for record in of(script, "dial")]
    assert dials == [f"{does}-1-{number}" for number in range(1, len(dials) + 1)]
    assert len(dials) > (1 if over == "srt" else 3)  # who calls by SRT waits for an answer
    assert found["unanswered"] == 0 if over == "srt" else found["unanswered"] > 1
    assert ("SourceConnected" if does == "pull" else "SinkConnected") in happened(script.records)
    assert found["publish"] == (does == "push")  # by bytes, but for what the program itself sends
    replayed = [replay(script) for _ in range(2)]
    assert replayed[0].divergence is None
    assert replayed[0].records == replayed[1].records
    settled = replayed[0].settled()
    assert replay(settled).divergence is None
    assert sum(record.kind in ("out", "sent") and record.who.startswith(f"{does}-1-") for record in settled.records) > 3


def test_a_replay_that_says_something_else_to_the_server_diverges(tmp_path: Path) -> None:
    script = dialled("push", "rtmp", tmp_path / "dialled.jsonl")
    records = [
        replace(each, fields={**each.fields, "url": each.fields["url"].replace("/live/", "/dead/")})
        if each.kind == "remote"
        else each
        for each in script.records
    ]
    found = replay(replace(script, records=tuple(records))).divergence
    assert found is not None
    assert found.lane.startswith(("what push-1-", "the session of push-1-"))


def test_a_server_that_is_cut_off_is_dialled_again() -> None:
    """The connection breaks earlier than it did; what the engine dials then is answered when it was."""
    script = read_file(SCRIPTS / "pull-rtmp.jsonl")
    cut = edit.apply(script, [edit.of(faults.disconnect("live/cam", at="1500ms"), script.duration_ns)])
    made = replay(cut)
    (held, *_), (again,) = (
        [record.at / NS_PER_S for record in made.records if record.get("what") == what]
        for what in ("PublishHeld", "PublishResumed")
    )
    assert 1.49 < held < 1.51
    assert again > 1.8
    assert [record.who for record in made.records if record.kind == "dial"] == [f"pull-1-{n}" for n in (1, 2, 3, 4)]
    nobody = replace(cut, records=tuple(record for record in cut.records if record.who != "pull-1-4"))
    assert "PublishResumed" not in happened(replay(nobody).records)


def test_what_is_cut_away_takes_its_sources_with_it() -> None:
    script = read_file(SCRIPTS / "pull-rtmp.jsonl")
    late = edit.cut(script, 1_500_000_000)
    assert not {record.who for record in late.records if record.who.startswith("pull-1")}
    replay(late)


class Busy(VirtualClock):
    """A machine that takes its time: some passes with each look at the clock, unless that is made to stand."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        super().__init__()
        self.held = False

    def monotonic_ns(self) -> int:
        if not self.held:
            self.advance(50_000)
        return super().monotonic_ns()

    def stand(self, holder: object, at: int | None = None) -> None:
        del holder, at
        self.held = True

    def go(self, holder: object) -> None:
        del holder
        self.held = False


def test_the_clock_stands_while_a_packet_is_seen_to_as_in_a_replay(tmp_path: Path) -> None:
    """Where sound begins beside pictures is told by when the two came; a replay takes no time to see to the first."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        taped = engine.tape("live/here", tmp_path / "slow.jsonl")
        async with another(engine, FAR) as far, sending(far, "live/cam"), taped:
            handle = await engine.pull("live/here", PULLED["rtsp"][0], transport="tcp")
            await pictures(engine, "live/here", 10)
            await handle.stop()

    run_engine(scenario, LOOPBACK, clock=Busy(), network=network(), seed=4)
    script = read_file(tmp_path / "slow.jsonl")
    assert len(of(script, "frame")) >= 10
    assert {frame.at for frame in of(script, "frame")} <= {came.at for came in of(script, "in")}
    assert replay(script).divergence is None


@pytest.mark.real_time
def test_a_session_with_real_sockets_replays(tmp_path: Path) -> None:
    """A second engine of ours is the server; its users, keys and tokens are on no line of the tape."""
    path, secrets = tmp_path / "real.jsonl", ("hush-hush", "correct-horse", "door-keeper")
    users = (RtspUser(name=secrets[2], password=secrets[1]),)
    guarded = LOOPBACK.endpoints.rtsp.model_copy(update={"users": users})
    topology = Topology(endpoints=LOOPBACK.endpoints.model_copy(update={"rtsp": guarded}))

    async def scenario() -> None:
        async with arcly.Engine(topology) as far, arcly.Engine(LOOPBACK) as near:
            ports = {name: where[0].port for name, where in far.addresses.items()}
            await far.start_pattern("live/cam")
            await far.stream("live/cam")
            async with near.tape(None, path):
                rtmp = await near.pull("live/one", f"rtmp://127.0.0.1:{ports['rtmp']}/live/cam?token={secrets[0]}")
                place = f"{secrets[2]}:{secrets[1]}@127.0.0.1:{ports['rtsp']}"
                rtsp = await near.pull("live/two", f"rtsp://{place}/live/cam?token={secrets[0]}", transport="tcp")
                for key in ("live/one", "live/two"):
                    await asyncio.wait_for(pictures(near, key, 10), 20)
                await rtmp.stop()
                await rtsp.stop()
                await asyncio.sleep(0)

    run(scenario())
    script = read_file(path)
    assert kinds(script)["dial"] >= 2
    assert b"WWW-Authenticate" in b"".join(record.data or b"" for record in of(script, "in"))
    assert secret_free(path, script, *secrets)
    first, second = replay(script), replay(script)
    assert first.divergence is None
    assert first.records == second.records


def secret_free(path: Path, script: Script, *secrets: str) -> bool:
    said = path.read_bytes() + b"".join(record.data or b"" for record in script.records)
    return not any(secret.encode() in said for secret in secrets)


def test_one_that_was_answered_before_is_by_frames(tmp_path: Path) -> None:
    path = tmp_path / "later.jsonl"
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with another(engine, FAR) as far, sending(far, "live/cam"):
            await engine.pull("live/here", PULLED["rtmp"][0])
            await pictures(engine, "live/here", 10)
            async with engine.tape("live/here", path):
                await pictures(engine, "live/here", 10)

    run_engine(scenario, LOOPBACK, network=network())
    script = read_file(path)
    assert kinds(script)["remote"] == 0
    assert kinds(script)["send"] >= 10
    assert_replays(script)


class Slow(ScriptedNetwork):
    """It takes 20 ms to be answered, as elsewhere."""

    async def dial(self, to: Place, protocol: Callable[[], asyncio.Protocol], remote: Remote | None) -> None:
        await pass_time(20 * NS_PER_MS)
        await super().dial(to, protocol, remote)


def test_a_tape_that_begins_with_the_engine_has_the_topologys_sources(tmp_path: Path) -> None:
    """They dial before there is a tape, and are not answered yet when there is."""
    clip()
    here = {"key": "live/here", "to": str(tmp_path / "tape.jsonl")}
    sources = [{"key": "live/here", "url": PULLED["rtmp"][0]}]
    told = {**LOOPBACK.model_dump(mode="json"), "record": [here], "sources": sources}

    near = Slow(delay=5 * NS_PER_MS)

    async def scenario(engine: arcly.Engine) -> None:
        server = arcly.Engine(
            Topology.model_validate(told),
            clock=engine.clock,
            entropy=SeededEntropy(7),
            network=near,
        )
        async with sending(engine, "live/cam"), server:
            await pictures(server, "live/here", 20)

    run_engine(scenario, FAR, network=near)
    script = read_file(tmp_path / "tape.jsonl")
    assert [record.who for record in of(script, "dial")][:1] == ["pull-1-1"]
    assert kinds(script)["publish"] == 0
    assert_replays(script)


def masked(text: str, *, keyed: bool = False) -> Mask:
    return Mask(Url.parse(text, keyed=keyed))


def test_secrets_keep_their_length() -> None:
    rtsp = masked("rtsp://user%40:pass@cam.example:554/door?token=abc123&x=1")
    assert rtsp.url == "rtsp://xxxxx:xxxx@cam.example:554/door?token=xxxxxx&x=x"
    sent = b"DESCRIBE rtsp://cam.example/door?token=abc123&x=1 RTSP/1.0\r\nAuthorization: Basic dXNlckA6cGFzcw==\r\n\r\n"
    hidden = rtsp.went(sent)
    assert len(hidden) == len(sent)
    assert b"abc123" not in hidden
    assert b"dXNl" not in hidden
    assert rtsp.came(b"Content-Base: /door?token=abc123&x=1/") == b"Content-Base: /door?token=xxxxxx&x=x/"
    rtmp = masked("rtmp://up.example/app/secret-key?sig=abcd", keyed=True)
    assert rtmp.url == "rtmp://up.example/app/xxxxxxxxxx?sig=xxxx"
    assert rtmp.went(b"..\x02\x00\x13secret-key?sig=abcd..secret-key") == b"..\x02\x00\x13xxxxxxxxxx?sig=xxxx..secret-key"
    assert rtmp.came(b"on sec\xc3ret-key now") == b"on xxx\xc3xxxxxxx now"  # a chunk began within it
    asked = {"what": "Publish", "with": {"name": "secret-key?sig=abcd", "kind": "live"}}
    assert rtmp.message("asked", asked) == {"what": "Publish", "with": {"name": "xxxxxxxxxx?sig=xxxx", "kind": "live"}}
    assert rtmp.message("told", {"text": "no secret-key here", "number": 1}) == {
        "text": "no xxxxxxxxxx here",
        "number": 1,
    }
    srt = masked("srt://far.example:9000?streamid=open-sesame&latency=80")
    assert srt.url == "srt://far.example:9000?streamid=xxxxxxxxxxx&latency=80"
    assert srt.went(b"..nepomas-\x00eme-") == b"..nepomas-\x00eme-"  # not that one
    assert srt.went(b"..neposes-\x00ema..") == b"..xxxxxxxx\x00xxx.."
    assert srt.came(b"..neposes-\x00ema..") == b"..neposes-\x00ema.."
    listens = masked("srt://:9000?mode=listener&streamid=caf%C3%A9")
    assert listens.url == "srt://:9000?mode=listener&streamid=xxxxx"
    assert listens.came("\xc3fac\0\0\0\xa9".encode("latin-1")) == b"xxxx\0\0\0x"


@pytest.mark.parametrize(
    "url",
    [
        "srt://far.example:9000?streamid=ab",
        "rtsp://me:pw@far.example/door",
    ],
)
def test_who_cannot_be_masked_or_replayed_is_not_recorded(url: str) -> None:
    with pytest.raises(arcly.ConfigurationError):
        masked(url)


def test_a_script_says_what_is_wrong_with_its_sources() -> None:
    script = read_file(SCRIPTS / "pull-rtmp.jsonl")
    for fields, problem in (({"does": "shove"}, "pull or push"), ({"url": "gopher://x"}, "no such source or sink")):
        records = [
            replace(each, fields={**each.fields, **fields}) if each.kind == "remote" else each for each in script.records
        ]
        with pytest.raises(ScriptError, match=problem):
            replay(replace(script, records=tuple(records)))


def test_a_diagram_shows_who_is_dialled() -> None:
    shown = "\n".join(text(read_file(SCRIPTS / "pull-rtmp.jsonl")))
    assert "dial to=" in shown
    assert "pull-1-1" in shown
