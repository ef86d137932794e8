"""Sizes, durations and addresses: what is read, what is refused, and that what is written reads back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import ConfigurationError
from arcly_actors.topology.values import Address, duration, duration_text, size, size_text

SETTINGS = settings(max_examples=120)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10s", 10_000_000_000),
        ("200ms", 200_000_000),
        ("1.5s", 1_500_000_000),
        ("0.5us", 500),
        ("2 h", 7_200_000_000_000),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_nanoseconds(text: str, ns: int) -> None:
    assert duration(text) == ns


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10S", "-1s", "1e3s", "10 sec", "0.5ns", "1..5s", "9" * 16 + "s", "١s", "1s\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "count"), [("32MiB", 32 << 20), ("1.5KiB", 1536), ("64kB", 64_000), ("7B", 7), ("0B", 0)]
)
def test_sizes_are_read_as_bytes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "32", "32Mib", "32mb", "0.1B", "-1B", "1TiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a size"):
        size(text)


@given(st.integers(0, 10**15 - 1))
@SETTINGS
def test_written_values_read_back(value: int) -> None:
    assert duration(duration_text(value)) == value
    assert size(size_text(value)) == value


def test_values_are_written_in_the_largest_unit_that_fits() -> None:
    assert [duration_text(ns) for ns in (0, 1, 90_000_000_000, 3_600_000_000_000)] == ["0s", "1ns", "90s", "1h"]
    assert [size_text(count) for count in (0, 1000, 1 << 20, 3 << 29)] == ["0B", "1000B", "1MiB", "1536MiB"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:1935", "127.0.0.1", 1935),
        ("[::1]:0", "::1", 0),
        ("[0:0:0:0:0:0:0:1]:80", "::1", 80),
        ("Media.Example:65535", "media.example", 65535),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "has no port"),
        ("127.0.0.1:70000", "is not a port"),
        ("127.0.0.1:x", "is not a port"),
        ("127.0.0.1:", "is not a port"),
        (":1935", "has no host"),
        ("::1:1935", "goes in brackets"),
        ("1.2.3:80", "neither an IP address nor a host name"),
        ("256.0.0.1:80", "neither an IP address nor a host name"),
        ("-a:80", "neither an IP address nor a host name"),
        ("a b:80", "neither an IP address nor a host name"),
        ("[127.0.0.1]:80", "neither an IP address nor a host name"),
        ("h:\u0661", "is not a port"),
    ],
)
def test_bad_addresses_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Address.parse(text)


@given(st.text(max_size=40))
@SETTINGS
def test_an_address_is_read_or_refused_whatever_the_text(text: str) -> None:
    try:
        address = Address.parse(text)
    except ConfigurationError:
        address = None
    assert address is None or Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("[::]:80", "10.0.0.1:80", True),
        ("localhost:80", "127.0.0.1:80", True),
        ("[::1]:80", "127.0.0.1:80", False),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("10.0.0.1:80", "10.0.0.2:80", False),
    ],
)
def test_addresses_overlap_on_the_same_port_of_the_same_interface(one: str, other: str, overlap: bool) -> None:
    assert Address.parse(one).overlaps(Address.parse(other)) is overlap
    assert Address.parse(other).overlaps(Address.parse(one)) is overlap
