"""Whatever the text, reading it ends in a topology or in faults."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.topology import Topology, TopologyError

SETTINGS = settings(max_examples=120)
VALID = Topology().to_yaml()
PIECES = st.sampled_from(
    ("version: 1\n", "applications:", " live:", "endpoints", "rtmp", "10s", ",", "\n  ", "- ", "{", "}", "[", "]",
     "&a ", "*a", "!!int ", "!x ", "? ", ": ", "|\n", ">-\n", "'", '"', "\\x", "\t", "#", "---\n", "...\n", "~",
     "%YAML 1.1\n", "<<: ", "9" * 30, "1e999", "0x1F", ".inf", "\u2028", "\0", "\ufeff", "é")
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)


def check_reads_or_tells(text: str) -> None:
    try:
        topology = Topology.parse(text)
    except TopologyError as error:
        told = [fault.message for fault in error.faults]
    else:
        told = ["fine"] if Topology.parse(topology.to_yaml()) == topology else []
    assert told
    assert all(told)


@given(st.text(max_size=200))
@SETTINGS
def test_any_text(text: str) -> None:
    check_reads_or_tells(text)


@given(st.lists(PIECES, max_size=30).map("".join))
@SETTINGS
def test_pieces_of_yaml(text: str) -> None:
    check_reads_or_tells(text)


@given(st.integers(0, len(VALID)), st.integers(0, 20), PIECES)
@SETTINGS
def test_a_topology_with_a_piece_replaced(start: int, length: int, piece: str) -> None:
    check_reads_or_tells(VALID[:start] + piece + VALID[start + length :])


@given(VALUES, st.sampled_from(list(Topology.model_fields)))
@SETTINGS
def test_any_value_under_any_key(value: object, key: str) -> None:
    check_reads_or_tells(f"version: 1\n{key}: {json.dumps(value)}\n")
