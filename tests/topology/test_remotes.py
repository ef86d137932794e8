"""Sources and sinks in a topology: what they become, every mistake with its place, and no secret told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.cli.check import summary
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import Backoff, Intensity, RestartPolicy, Strategy
from arcly_actors.topology import Sink, Source, Topology, TopologyError
from arcly_actors.topology.remotes import remote_policy

SECRET = "rtsp://user:sesame@camera.example/stream?token=sesame"
KEYED = "rtmp://host.example/app/sesame"
PULLED = (
    "(these do: file, ftp, http, https, mmsh, mmst, rtmp, rtmpe, rtmps, rtmpt, rtmpte, rtmpts, rtp, rtsp, rtsps, srt, "
    "tcp, tls, udp)"
)
PUSHED = "(these do: rtmp, rtmps, rtp, rtsp, rtsps, srt, udp, whip:http, whip:https)"


def faults(text: str, directory: Path | None = None) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        Topology.parse("version: 1\n" + text, source="t", directory=directory)
    return [str(fault) for fault in caught.value.faults]


def test_a_source_becomes_its_plan() -> None:
    source = Source(key="live/door", url=SECRET, transport="udp", on_demand=True, idle=NS_PER_S, stall=2 * NS_PER_S)
    plan = source.plan()
    assert (plan.on_demand, plan.idle_ns) == (True, NS_PER_S)
    assert (plan.request.key, plan.request.url.text) == (StreamKey("live", "door"), SECRET)
    assert (plan.request.transport, plan.request.stall_ns, plan.request.verify) == ("udp", 2 * NS_PER_S, True)


def test_what_is_not_said_is_the_default() -> None:
    source = Source(key="live/door", url=SECRET)
    assert (source.transport, source.on_demand, source.loop, source.verify) == ("auto", False, True, True)
    assert (source.idle, source.stall) == (limits.SOURCE_IDLE, limits.SOURCE_STALL)


def test_a_sink_becomes_its_request() -> None:
    request = Sink(key="live/cam", url=KEYED, verify=False).request()
    assert (request.key, request.url.text, request.verify) == (StreamKey("live", "cam"), KEYED, False)
    assert str(request.url) == "rtmp://host.example/app/***"


def test_a_whip_sink_becomes_its_request() -> None:
    sink = Sink(key="live/cam", url="whip:https://host.example/live/sesame/whip", token="sesame-too")
    request = sink.request()
    assert (request.url.web, request.token) == ("https://host.example/live/sesame/whip", "sesame-too")
    assert "sesame" not in f"{sink!r} {request!r} {request} {request.url}"
    assert Topology.parse(Topology(sinks=(sink,)).to_yaml()).sinks == (sink,)


def test_a_topology_with_both_goes_to_yaml_and_back() -> None:
    made = Topology(sources=(Source(key="live/door", url=SECRET),), sinks=(Sink(key="live/door", url=KEYED),))
    assert Topology.parse(made.to_yaml()) == made


def test_neither_its_text_nor_an_error_shows_a_secret() -> None:
    made = Topology(sources=(Source(key="live/door", url=SECRET),), sinks=(Sink(key="live/door", url=KEYED),))
    assert "sesame" not in repr(made)
    assert "sesame" not in "\n".join(summary(made))
    assert "source live/door: rtsp://***@camera.example/stream?***" in summary(made)
    for broken in ({"transport": "tpc"}, {"url": SECRET.replace("rtsp", "rtps")}, {"key": "nowhere/door"}):
        with pytest.raises(ValidationError) as caught:
            Topology.model_validate({"sources": [{"key": "live/door", "url": SECRET, **broken}]})
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sources: [{key: live/a, url: 'rtps://h/s'}]",
         "t:2:30: sources[0].url: 'rtps' is not a scheme that works here " + PULLED),
        ("sources: [{key: live/a, url: 'srt://h:1?latency=120000'}]",
         "t:2:30: sources[0].url: latency is a number of milliseconds, at most 8000"),
        ("sinks: [{key: live/a, url: 'srt://h'}]", "t:2:28: sinks[0].url: an SRT URL needs a port"),
        ("sources: [{key: live/a, url: 'rtsp://'}]", "t:2:30: sources[0].url: the URL has no host, or blanks in it"),
        ("sources: [{key: a, url: clip.mp4}]",
         "t:2:17: sources[0].key: '/a' is not a stream key; use application/name with letters, digits and . _ ~ @ + = -"),
        ("sources: [{key: liv/a, url: 'rtsp://h/s'}]",
         "t:2:17: sources[0].key: there is no application 'liv' (did you mean 'live'?)"),
        ("sources: [{key: live/a, url: 'udp://h:1'}, {key: live/a, url: 'udp://h:2'}]",
         "t:2:50: sources[1].key: live/a has a source already: sources[0] (keep one)"),
        ("sources: [{key: live/a, url: 'http://h/s', transport: tcp}]",
         "t:2:55: sources[0].transport: http has no choice of transport (only rtsp has)"),
        ("sources: [{key: live/a, url: 'rtsp://h/s', transport: tpc}]",
         "t:2:55: sources[0].transport: not auto or tcp or udp but 'tpc' (did you mean 'tcp'?)"),
        ("sources: [{key: live/a, url: 'rtsp://h/s', stall: 10}]",
         "t:2:51: sources[0].stall: the duration 10 has no unit (write 10s or 10ms)"),
        ("sources: [{key: live/a, url: 'rtsp://h/s', on_demnd: true}]",
         "t:2:44: sources[0].on_demnd: unknown key (did you mean 'on_demand'?)"),
        ("sources: [{key: live/a}]", "t:2:11: sources[0].url: is missing"),
        ("sinks: [{key: live/a, url: 'rtmp://h/'}]",
         "t:2:28: sinks[0].url: an RTMP address names a stream: rtmp://host/application/name"),
        ("sources: [{key: live/a, url: 'rtmps://h'}]",
         "t:2:30: sources[0].url: an RTMP address names a stream: rtmp://host/application/name"),
        ("sinks: [{key: live/a, url: 'http://h/app/x'}]",
         f"t:2:28: sinks[0].url: 'http' is not a scheme that works here {PUSHED}"),
        ("sinks: [{key: live/a, url: 'rtmp://h/b/c', token: sesame}]",
         "t:2:51: sinks[0].token: rtmp has no tokens (only whip has)"),
        ("sinks: [{key: live/a, url: 'whip:https://u:p@h/', token: sesame}]",
         "t:2:58: sinks[0].token: the URL has a user, too (a server takes one of both)"),
        ("sinks: [{key: live/a, url: 'whip:https://h/', token: 'a b'}]",
         "t:2:54: sinks[0].token: a token has no blanks, and ASCII only"),
        ("sinks: [{key: live/a, url: 'whip:ftp://h/'}]",
         "t:2:28: sinks[0].url: the URL has no host, or blanks in it"),
        ("sinks: [{key: live/a, url: 'rtmp://h/b/c'}, {key: live/a, url: 'rtmp://h/b/c'}]",
         "t:2:51: sinks[1].key: is pushed there already: sinks[0] (keep one)"),
        ("sinks: [{key: other/a, url: 'rtmp://h/b/c'}]",
         "t:2:15: sinks[0].key: there is no application 'other' (valid here: live)"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_fault(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_files_are_looked_up_beside_the_topology(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    text = "version: 1\nsources: [{key: live/film, url: clip.mp4, loop: false}]\n"
    (tmp_path / "t.yaml").write_text(text)
    (source,) = Topology.load(tmp_path / "t.yaml").sources
    assert source.url == str(tmp_path / "clip.mp4")
    assert not source.loop
    (tmp_path / "clip.mp4").unlink()
    assert faults("sources: [{key: live/film, url: clip.mp4}]", tmp_path) == [
        (
            f"t:2:33: sources[0].url: {tmp_path}/clip.mp4 cannot be read: no such file "
            "(a relative name starts from the topology's directory)"
        )
    ]
    (tmp_path / "clip.mp4").mkdir()
    (fault,) = faults("sources: [{key: live/film, url: clip.mp4}]", tmp_path)
    assert "is a directory" in fault


def test_what_is_elsewhere_is_restarted_one_by_one_and_soon() -> None:
    policy = RestartPolicy(Strategy.ONE_FOR_ALL, Intensity(3, NS_PER_S), Backoff(NS_PER_S, 60 * NS_PER_S, 0.5))
    remote = remote_policy(policy)
    assert remote.strategy is Strategy.ONE_FOR_ONE
    assert remote.intensity == policy.intensity
    assert remote.backoff == Backoff(NS_PER_S, limits.RECONNECT_CAP, 0.5)
