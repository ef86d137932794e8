"""AMF0 and AMF3 against the bytes of the specifications, cut anywhere, nested without end, and fuzzed."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtmp import amf0, amf3
from arcly_actors.protocols.rtmp.amf0 import UNDEFINED, Date, EcmaArray, Value, whole

SAMPLES: list[tuple[Value, str]] = [
    (1.0, "003ff0000000000000"),
    (True, "0101"),
    (False, "0100"),
    ("live", "0200046c697665"),
    ({"a": 1.0}, "03000161003ff0000000000000000009"),
    (None, "05"),
    (UNDEFINED, "06"),
    (EcmaArray({"a": None}), "08000000010001610500" + "0009"),
    ([True, "x"], "0a000000020101020001" + "78"),
    (Date(0.0, -60), "0b0000000000000000ffc4"),
]

values: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode())
    | st.builds(Date, st.floats(allow_nan=False), st.integers(-720, 720)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("value", "wire"), SAMPLES, ids=[wire[:6] for _, wire in SAMPLES])
def test_amf0_samples(value: Value, wire: str) -> None:
    data = bytes.fromhex(wire)
    assert amf0.encode(value) == data
    assert amf0.decode(data) == [value]
    assert amf0.read_value(data + b"trailing", 0) == (value, len(data))
    for length in range(1, len(data)):
        with pytest.raises(Malformed):
            amf0.read_value(data[:length], 0)


def test_amf0_reads_what_it_does_not_write() -> None:
    assert amf0.decode(bytes.fromhex("10000141" + "00016205" + "000009")) == [{"b": None}]  # typed object
    assert amf0.decode(bytes.fromhex("0f00000001" + "78")) == ["x"]  # XML
    assert amf0.decode(bytes.fromhex("0d")) == [UNDEFINED]  # unsupported
    assert amf0.decode(bytes.fromhex("0200" + "02c328")) == ["\ufffd("]  # not UTF-8
    ecma_with_wrong_count = bytes.fromhex("08ffffffff000161" + "05" + "000009")
    assert amf0.decode(ecma_with_wrong_count) == [{"a": None}]


def test_amf0_long_string() -> None:
    text = "x" * 70_000
    data = amf0.encode(text)
    assert data[:5] == b"\x0c" + len(text).to_bytes(4)
    assert amf0.decode(data) == [text]


@pytest.mark.parametrize("wire", ["04", "07", "0e", "09", "12", "ff", "0affffffff05", "070000"])
def test_amf0_refuses(wire: str) -> None:
    with pytest.raises(Malformed):
        amf0.decode(bytes.fromhex(wire))


def test_amf0_depth_is_bounded_both_ways() -> None:
    with pytest.raises(PeerLimit):
        amf0.decode(bytes.fromhex("03000161") * 10_000)
    nested: Value = None
    for _ in range(40):
        nested = [nested]
    with pytest.raises(ValueError, match="nested"):
        amf0.encode(nested)


def test_amf0_writer_names_what_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="byte array"):
        amf0.encode(b"raw")
    with pytest.raises(ValueError, match="property name"):
        amf0.encode({"x" * 70_000: None})


@settings(max_examples=120)
@given(values)
def test_amf0_round_trip(value: Value) -> None:
    assert amf0.decode(amf0.encode(value, value)) == [value, value]


@settings(max_examples=120)
@given(st.binary(max_size=200))
def test_amf0_any_bytes_are_a_value_or_one_error(data: bytes) -> None:
    with contextlib.suppress(PeerViolation):
        assert isinstance(amf0.decode(data), list)


@settings(max_examples=120)
@given(st.binary(max_size=200))
def test_amf3_any_bytes_are_a_value_or_one_error(data: bytes) -> None:
    with contextlib.suppress(PeerViolation):
        assert isinstance(amf3.decode(data), list)


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("00", UNDEFINED),
        ("01", None),
        ("02", False),
        ("03", True),
        ("0400", 0.0),
        ("047f", 127.0),
        ("048100", 128.0),
        ("04bfffffff", 268435455.0),
        ("04ffffffff", -1.0),
        ("053ff0000000000000", 1.0),
        ("060568" + "69", "hi"),
        ("0801" + "0000000000000000", Date(0.0)),
        ("0905010402" + "0403", [2.0, 3.0]),
        ("090301" + "03", [True]),
        ("0903036101" + "01" + "03", {"a": None, "0": True}),
        ("0a0b01" + "0361" + "03" + "01", {"a": True}),  # dynamic
        ("0a130141" + "0361", None),
        ("0c056162", b"ab"),
        ("0705" + "6162", "ab"),
    ],
)
def test_amf3_samples(wire: str, value: Value) -> None:
    data = bytes.fromhex(wire)
    if wire == "0a130141" + "0361":  # cut after the traits
        with pytest.raises(Malformed):
            amf3.decode(data)
        return
    assert amf3.decode(data) == [value]
    for length in range(1, len(data)):
        with pytest.raises(Malformed):
            amf3.decode(data[:length])


def test_amf3_string_and_trait_references() -> None:
    sealed = bytes.fromhex("0a13" + "01" + "0361" + "0401")  # one sealed property "a" = 1
    again = bytes.fromhex("0a01" + "0402")
    name_again = bytes.fromhex("0600")
    assert amf3.decode(sealed + again + name_again) == [{"a": 1.0}, {"a": 2.0}, "a"]


@pytest.mark.parametrize("wire", ["0602", "0a00", "0a05", "0a07", "0900", "0d01", "ff", "09fffffe01", "0affffff7f01"])
def test_amf3_refuses(wire: str) -> None:
    with pytest.raises(Malformed):
        amf3.decode(bytes.fromhex(wire))


def test_amf3_bounds_depth_and_repeated_text() -> None:
    with pytest.raises(PeerLimit):
        amf3.decode(bytes.fromhex("090301") * 1000)
    text = b"x" * 8000
    once = b"\x06" + bytes.fromhex("fd01") + text  # U29 0x3e81: 8000 inline
    assert amf3.decode(once) == [text.decode()]
    with pytest.raises(PeerLimit):
        amf3.decode(once + b"\x06\x00" * 1000)


def test_avmplus_switches_for_one_value() -> None:
    assert amf0.decode(bytes.fromhex("11" + "0401" + "05")) == [1.0, None]


@pytest.mark.parametrize(("value", "expected"), [(2.9, 2), (math.nan, 7), (math.inf, 7), ("3", 7), (True, 7), (None, 7)])
def test_whole(value: Value, expected: int) -> None:
    assert whole(value, 7) == expected
