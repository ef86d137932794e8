"""`record:` in a topology: what an entry means, and every mistake with its place."""

from pathlib import Path

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.topology import Recording, Topology, TopologyError


def faults(text: str, directory: Path | None = None) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        Topology.parse(f"version: 1\nrecord:\n  - {text}\n", source="t", directory=directory)
    return [str(fault) for fault in caught.value.faults]


def test_an_entry_as_it_is_written(tmp_path: Path) -> None:
    text = '{key: live/cam, to: "tapes/{key}-{time}.jsonl", payload: false, for: 30s, max: 64 MiB}'
    topology = Topology.parse(f"version: 1\nrecord: [{text}]", directory=tmp_path)
    (entry,) = topology.record
    assert (entry.key, entry.payload, entry.length, entry.max) == ("live/cam", False, 30 * NS_PER_S, 64 << 20)
    assert entry.to == f"{tmp_path}/tapes/{{key}}-{{time}}.jsonl"
    assert (entry.by_stream, entry.one, entry.tapes) == (False, "live/cam", limits.RECORDING_TAPES)
    assert not (tmp_path / "tapes").exists()  # nothing is made before something is recorded
    assert Topology.parse(topology.to_yaml()) == topology
    assert "for: 30s" in topology.to_yaml()


@pytest.mark.parametrize(
    ("entry", "by_stream"),
    [
        (Recording(to="a.jsonl"), False),
        (Recording(key="live/cam", to="a.jsonl", begin="stream"), True),
        (Recording(key="live/*", to="{key}.jsonl"), True),
        (Recording(key="*", to="{key}.jsonl", begin="stream"), True),
    ],
)
def test_when_a_tape_begins(entry: Recording, by_stream: bool) -> None:
    assert entry.by_stream is by_stream
    assert entry.takes("live/cam")


def test_names_are_filled_in_and_never_taken_twice(tmp_path: Path) -> None:
    entry = Recording(key="live/*", to=f"{tmp_path}/{{key}}-{{time}}.jsonl")
    first = entry.path("live/a.b", "T")
    assert first == tmp_path / "live/a.b-T.jsonl"
    first.touch()
    second = entry.path("live/a.b", "T")
    assert second == tmp_path / "live/a.b-T-2.jsonl"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{key: live/cam}", "t:3:5: record[0].to: is missing"),
        ("{to: tape.json}", "t:3:10: record[0].to: 'tape.json' is no file name of a script (it ends in .jsonl: tapes"),
        ('{to: "{name}.jsonl"}', "'{name}.jsonl' has more in braces than is filled in ({key} and {time} are)"),
        ('{to: "{key!r}.jsonl"}', "has more in braces than is filled in"),
        ('{to: "{key:>99999}.jsonl"}', "has more in braces than is filled in"),
        ('{to: "{.jsonl"}', "({key} and {time} are filled in)"),
        ("{key: nowhere/cam, to: a.jsonl}", "t:3:11: record[0].key: no application has streams 'nowhere/cam'"),
        ('{key: "other/*", to: "{key}.jsonl"}', "no application has streams 'other/*'"),
        ('{key: "a b/*", to: "{key}.jsonl"}', "'a b/*' is no pattern (a key, of which * stands for any part: live/*)"),
        ("{key: cam, to: a.jsonl}", "record[0].key: "),
        ('{key: "live/*", to: a.jsonl}', "record[0].to: many streams, and one name (have {key} in it"),
        ('{key: "live/*", to: "{key}.jsonl", begin: engine}', "from the engine's start on there is one stream, or every"),
        ("{to: a.jsonl, for: 10}", "the duration 10 has no unit (write 10s or 10ms)"),
        ("{to: a.jsonl, for: 10ms}", "10ms is out of range (from 1s to 24h)"),
        ("{to: a.jsonl, max: 1}", "1B is out of range (from 64KiB to 64GiB)"),
        ("{to: a.jsonl, fro: 10s}", "unknown key (did you mean 'for'?)"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    (found,) = faults(text)
    assert found.startswith("t:3:")
    assert told in found


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (found,) = faults('{to: "file/{key}.jsonl"}', tmp_path)
    assert found.startswith(f"t:3:10: record[0].to: {tmp_path}/file is no directory (a relative name starts from")
