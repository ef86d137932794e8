"""Mistakes in a file: each with its line, column, key, message and the nearest right word, and all of them at once."""

import pytest

from arcly_actors import limits
from arcly_actors.topology import Topology, TopologyError

EVERYTHING_WRONG = """\
version: 1
applications:
  live:
    gop_cache: {frame: 512, bytes: 32Mib, duration: 10}
    hold: 10s
    on_conflict: takover
    hold: 3s
    subscriber: {join: instant, max_lag: 5h}
  api: {}
  "*": {}
endpoints:
  rtmp: {listen: 127.0.0.1:70000, enabled: yes}
  http:
  rtmps: {listen: 1.2.3:4}
sources: [a]
sinks: {}
supervison: {}
supervision: {backoff: {first: 30s, max: 1s}}
limits: {max_publishers: "5", max_frame: 1, max_connections: 0}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        Topology.parse(text, source="t.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    assert faults(EVERYTHING_WRONG) == [
        "t.yaml:4:17: applications.live.gop_cache.frame: unknown key (did you mean 'frames'?)",
        "t.yaml:4:36: applications.live.gop_cache.bytes: '32Mib' is not a size (write it as 32MiB or 64KiB)",
        "t.yaml:4:53: applications.live.gop_cache.duration: the duration 10 has no unit (write 10s or 10ms)",
        "t.yaml:6:18: applications.live.on_conflict: not reject or takeover but 'takover' (did you mean 'takeover'?)",
        "t.yaml:7:5: applications.live.hold: given twice: the first is on line 5 (keep one)",
        "t.yaml:8:42: applications.live.subscriber.max_lag: 5h is out of range (from 100ms to 10m)",
        "t.yaml:9:3: applications.api: 'api' is taken: the HTTP endpoint serves /api itself (choose another name)",
        "t.yaml:10:3: applications.*: there is no wildcard for applications (name each one; any other is refused)",
        "t.yaml:12:18: endpoints.rtmp.listen: '70000' is not a port (a port is a number from 0 to 65535)",
        "t.yaml:12:44: endpoints.rtmp.enabled: has to be true or false, not 'yes' (write true)",
        "t.yaml:13:3: endpoints.http: has to be a mapping of keys, not nothing (give it a value or remove the key)",
        "t.yaml:14:10: endpoints.rtmps.tls: is missing",
        "t.yaml:14:19: endpoints.rtmps.listen: '1.2.3' is neither an IP address nor a host name",
        "t.yaml:15:11: sources[0]: has to be a mapping of keys, not 'a'",
        "t.yaml:16:8: sinks: has to be a list, not a mapping",
        "t.yaml:17:1: supervison: unknown key (did you mean 'supervision'?)",
        "t.yaml:18:42: supervision.backoff.max: less than 'first' (30s) (make it at least as long)",
        "t.yaml:19:26: limits.max_publishers: has to be a whole number, not '5' (without quotes)",
        "t.yaml:19:42: limits.max_frame: 1B is out of range (from 64KiB to 256MiB)",
        "t.yaml:19:62: limits.max_connections: has to be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "t.yaml:1:1: version: is missing (begin the file with 'version: 1')"),
        ("# nothing\n", "t.yaml:1:1: version: is missing (begin the file with 'version: 1')"),
        ("endpoints: {}", "t.yaml:1:1: version: is missing (begin the file with 'version: 1')"),
        ("[]", "t.yaml:1:1: has to be a mapping of keys, not a list"),
        ("live", "t.yaml:1:1: has to be a mapping of keys, not 'live'"),
        ("version: 2\nnew: 1", "t.yaml:1:10: version: not 1 but 2"),
        ("version: true", "t.yaml:1:10: version: not 1 but true"),
        ("version: [", "t.yaml:1:11: not YAML: expected the node content, but found '<stream end>'"),
        ("version: 1\n\tlimits: {}",
         "t.yaml:2:1: not YAML: found character '\\t' that cannot start any token (YAML indents with spaces, not tabs)"),
        ("version: 1\n---\nversion: 1", "t.yaml:2:1: a second document (a topology is one document: remove the '---')"),
        ("version: 1\nlimits: *x", "t.yaml:2:9: the alias *x has no anchor before it"),
        ("version: 1\nlimits: &x {max_frame: *x}", "t.yaml:2:24: the alias *x has no anchor before it"),
        ("version: 1\nlimits: !run {}", "t.yaml:2:9: the tag !run is not supported (remove it)"),
        ("version: 1\n[a]: 1", "t.yaml:2:1: a key has to be a word"),
        ("version: 1\nqqq: 1",
         ("t.yaml:2:1: qqq: unknown key "
          "(valid here: version, applications, endpoints, sources, sinks, record, faults, supervision, limits)")),
        ("version: 1\nendpoints: {rtmp: {listen: '0.0.0.0:8080'}}",
         "t.yaml:2:12: endpoints.http.listen: 127.0.0.1:8080 is taken by rtmp (0.0.0.0:8080) (give it another port)"),
        ("version: 1\nendpoints: {http: {cors: ['*', x]}}",
         "t.yaml:2:32: endpoints.http.cors[1]: 'x' is not an origin (write '*' or scheme://host[:port] without a path)"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_fault(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_an_anchor_may_be_used_again() -> None:
    topology = Topology.parse("version: 1\napplications: {a: &a {hold: 1s}, b: *a}")
    assert topology.applications["a"] == topology.applications["b"]


def test_aliases_cannot_multiply() -> None:
    lines = ["version: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    (fault,) = faults("\n".join(lines))
    assert "aliases count in full" in fault


def test_nesting_is_bounded() -> None:
    (fault,) = faults("version: 1\na: " + "[" * 5000)
    assert "nested deeper" in fault


def test_the_text_is_bounded() -> None:
    assert faults("#" * (limits.TOPOLOGY_BYTES + 1)) == [f"t.yaml: larger than {limits.TOPOLOGY_BYTES} bytes"]


def test_the_number_of_faults_is_bounded() -> None:
    keys = "\n".join(f"key{number}: 1" for number in range(limits.TOPOLOGY_FAULTS * 2))
    assert len(faults("version: 1\n" + keys)) == limits.TOPOLOGY_FAULTS
