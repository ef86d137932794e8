"""Transport streams in a topology: what they become, and every mistake with its place."""

import pytest

from arcly_actors.cli.check import summary
from arcly_actors.clock import NS_PER_S
from arcly_actors.topology import Topology, TopologyError


def parse(endpoints: str, rest: str = "") -> Topology:
    return Topology.parse(f"version: 1\nendpoints: {endpoints}\n{rest}", source="t")


def faults(endpoints: str, rest: str = "") -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse(endpoints, rest)
    return [str(fault) for fault in caught.value.faults]


def test_what_they_become() -> None:
    topology = parse(
        "{mpegts: [{listen: 'udp://232.1.1.1:1', key: live/a, interface: eth0, sources: [10.0.0.5], silence: 2s},"
        " {listen: 'udp://0.0.0.0:2', key: 'live/b-{program}'},"
        " {listen: 'rtp://127.0.0.1:3', key: live/c, program: 3, enabled: false}]}"
    )
    first, second = topology.endpoints.feeds()
    assert (first.name, second.name) == ("mpegts", "mpegts-2")
    assert (first.address.interface, first.address.sources, first.silence_ns) == ("eth0", ("10.0.0.5",), 2 * NS_PER_S)
    assert (second.key, second.program) == ("live/b-{program}", None)
    assert {"mpegts", "mpegts-2"} < set(topology.endpoints.listeners())
    assert "mpegts: 232.1.1.1:1" in "\n".join(summary(topology))


@pytest.mark.parametrize(
    ("feed", "fault"),
    [
        ("{listen: 'tcp://h:1', key: live/a}", "not a datagram address"),
        ("{listen: 'udp://127.0.0.1', key: live/a}", "has no port"),
        ("{listen: 'udp://127.0.0.1:1', key: other/a}", "there is no application 'other'"),
        ("{listen: 'udp://127.0.0.1:1', key: a}", "not a stream key"),
        ("{listen: 'udp://127.0.0.1:1', key: 'live/{programme}'}", "not a stream key"),
        ("{listen: 'udp://127.0.0.1:1', key: 'live/{program}', program: 2}", "takes every programme"),
        ("{listen: 'udp://127.0.0.1:1', key: live/a, sources: [me]}", "not an IP address"),
        ("{listen: 'udp://239.1.1.1:1', key: live/a, sources: ['fe80::1']}", "cannot be the source"),
        ("{listen: 'udp://127.0.0.1:8189', key: live/a}", "is taken by webrtc"),
        ("{listen: 'udp://127.0.0.1:1', key: live/a}, {listen: 'udp://0.0.0.0:1', key: live/b}", "is taken by mpegts[0]"),
        ("{listen: 'udp://239.1.1.1:1', key: live/a}, {listen: 'udp://239.1.1.1:1', key: live/a}", "from there already"),
    ],
)
def test_one_mistake_is_one_fault(feed: str, fault: str) -> None:
    (told,) = faults(f"{{mpegts: [{feed}]}}")
    assert fault in told


def test_a_group_may_be_listened_to_twice() -> None:
    feeds = "[{listen: 'udp://239.1.1.1:1', key: live/a, program: 1}, {listen: 'udp://239.1.1.1:1', key: live/b}]"
    assert len(parse(f"{{mpegts: {feeds}}}").endpoints.feeds()) == 2


@pytest.mark.parametrize("url", ["udp://h:1?ttl=x", "udp://h", "rtp://h:1/path"])
def test_a_sink_that_cannot_be_is_told(url: str) -> None:
    assert faults("{}", f"sinks: [{{key: live/a, url: '{url}'}}]") != []
