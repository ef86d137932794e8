"""Cursors, bits, clocks and NAL framing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media import nal
from arcly_actors.media.bits import BitReader, unescape
from arcly_actors.media.cursor import Cursor, Inlet
from arcly_actors.media.timebase import SECOND, Unwrap, from_ns, to_ms, to_ns

fuzz = settings(max_examples=120)


def test_a_cursor_reads_what_is_there_and_no_more() -> None:
    cursor = Cursor(bytes(range(1, 16)), "thing")
    assert (cursor.u8(), cursor.u16(), cursor.u24(), cursor.u32()) == (1, 0x0203, 0x040506, 0x0708090A)
    assert cursor.unsigned_le(2) == 0x0C0B
    assert cursor.remaining == 3
    with pytest.raises(Malformed, match="thing ends early: 4 bytes wanted at 12 of 15"):
        cursor.u32()
    assert cursor.rest() == b"\x0d\x0e\x0f"
    assert cursor.rest() == b""


def test_a_cursor_reads_signed_and_refuses_negative_counts() -> None:
    assert Cursor(b"\xff\xff\xfe").signed(3) == -2
    with pytest.raises(Malformed):
        Cursor(b"abc").take(-1)


def test_an_inlet_says_incomplete_and_then_gives() -> None:
    inlet = Inlet(8)
    inlet.feed(b"ab")
    assert inlet.take(3) is None
    inlet.feed(b"cd")
    assert inlet.peek(2, offset=1) == b"bc"
    assert inlet.take(3) == b"abc"
    assert len(inlet) == 1
    inlet.feed(b"1234567")
    with pytest.raises(PeerLimit):
        inlet.feed(b"x")


@fuzz
@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 20)), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_an_inlet_gives_the_bytes_in_order_whatever_the_cuts(data: bytes, cuts: list[int], sizes: list[int]) -> None:
    inlet, taken, left, turn = Inlet(100), b"", data, 0
    for cut in [*cuts, len(data)]:
        inlet.feed(left[:cut])
        left = left[cut:]
        while (piece := inlet.take(sizes[turn % len(sizes)])) is not None:
            taken += piece
            turn += 1
    assert taken == data[: len(taken)]
    assert len(data) - len(taken) == len(inlet) < 9


def test_exp_golomb_codes_of_table_9_2() -> None:
    reader = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0011000]))
    assert [reader.ue() for _ in range(5)] == [0, 1, 2, 3, 4]
    reader = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0011000]))
    assert [reader.se() for _ in range(5)] == [0, 1, -1, 2, -2]


def test_a_code_of_endless_zeros_is_malformed() -> None:
    with pytest.raises(Malformed, match="longer than 32"):
        BitReader(bytes(100)).ue()
    with pytest.raises(Malformed, match="ends early"):
        BitReader(bytes(2)).ue()


@fuzz
@given(data=st.binary(max_size=20), counts=st.lists(st.integers(0, 40)))
def test_bits_are_those_of_the_whole_number(data: bytes, counts: list[int]) -> None:
    text = "".join(f"{byte:08b}" for byte in data)
    reader = BitReader(data)
    for count in counts:
        if count > len(text):
            with pytest.raises(Malformed):
                reader.bits(count)
            break
        assert reader.bits(count) == int(text[:count] or "0", 2)
        text = text[count:]
    assert reader.remaining == len(text)


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("000003", "0000"),
        ("00000301", "000001"),
        ("0000030000030000", "000000000000"),
        ("000003000003", "00000000"),
        ("0003", "0003"),
        ("67000003000367", "670000000367"),
    ],
)
def test_emulation_prevention_is_removed(escaped: str, plain: str) -> None:
    assert unescape(bytes.fromhex(escaped)).hex() == plain


# -- clocks ----------------------------------------------------------------------------------------------------------


@fuzz
@given(ticks=st.integers(-(1 << 50), 1 << 50), rate=st.sampled_from([1000, 8000, 44100, 48000, 90000, 1_000_000, SECOND]))
def test_ticks_survive_the_way_through_nanoseconds(ticks: int, rate: int) -> None:
    assert from_ns(to_ns(ticks, rate), rate) == ticks


def test_conversion_is_to_the_nearest() -> None:
    assert to_ns(1, 90000) == 11111
    assert to_ns(2, 3) == 666_666_667
    assert [to_ms(value) for value in (499_999, 500_000, 1_499_999)] == [0, 1, 1]


@pytest.mark.parametrize("bits", [16, 24, 32, 33])
def test_a_clock_that_wraps_goes_on(bits: int) -> None:
    unwrap, top = Unwrap(bits), 1 << bits
    assert [unwrap(value) for value in (top - 2, top - 1, 0, 1, top - 1, 3)] == [
        top - 2, top - 1, top, top + 1, top - 1, top + 3,
    ]  # fmt: skip
    unwrap.reset()
    assert unwrap(7) == 7


@fuzz
@given(start=st.integers(0, 1 << 40), steps=st.lists(st.integers(-(1 << 15) + 1, 1 << 15), max_size=50))
def test_steps_of_up_to_half_the_range_are_followed(start: int, steps: list[int]) -> None:
    unwrap, true = Unwrap(16), start
    offset = true - unwrap(true)
    for step in steps:
        true += step
        assert unwrap(true) + offset == true


# -- NAL units -------------------------------------------------------------------------------------------------------

units = st.lists(
    st.binary(min_size=1, max_size=20)
    .map(lambda data: data.replace(b"\x00\x00", b"\x00\x05"))
    .map(lambda data: data.strip(b"\x00") or b"\x09"),
    max_size=6,
)


@fuzz
@given(found=units, size=st.sampled_from([1, 2, 4]))
def test_both_framings_hold_the_same_units(found: list[bytes], size: int) -> None:
    assert nal.split(nal.join(found, size), size) == found
    assert nal.split_annex_b(nal.join_annex_b(found)) == found
    assert nal.from_annex_b(nal.to_annex_b(nal.join(found))) == nal.join(found)
    assert nal.widen(nal.join(found, size), size) == nal.join(found)


def test_annex_b_with_short_codes_leading_and_trailing_zeros() -> None:
    assert nal.split_annex_b(b"\x00\x00\x00\x01\x67a\x00\x00\x01\x68b\x00\x00\x00\x00\x01\x65c\x00\x00") == [
        b"\x67a",
        b"\x68b",
        b"\x65c",
    ]
    assert nal.split_annex_b(b"no code") == []


@pytest.mark.parametrize("payload", [b"\x00", b"\x00\x00\x00", b"\x00\x00\x00\x02a", b"\xff\xff\xff\xffabc"])
def test_a_length_past_the_end_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        nal.split(payload)


def test_empty_units_cost_nothing_and_many_are_refused() -> None:
    assert nal.split(bytes(4) + b"\x00\x00\x00\x01a") == [b"a"]
    many = [b"a"] * (limits.NAL_UNITS + 1)
    with pytest.raises(PeerLimit):
        nal.split(nal.join(many))
    with pytest.raises(PeerLimit):
        nal.split_annex_b(nal.join_annex_b(many))
    assert nal.widen(b"same", 4) == b"same"
