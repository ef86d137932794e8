"""However a client splits its URL, the same path and parameters come out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Refusal, Refused
from arcly_actors.protocols.rtmp.address import application_address, clean_path, client_address, stream_address


@pytest.mark.parametrize(
    ("app", "tc_url", "name", "path", "parameters"),
    [
        ("live", "rtmp://h/live", "cam", "live/cam", {}),
        ("live", "rtmp://h:1935/live", "cam?token=x", "live/cam", {"token": "x"}),
        ("live?token=x", "rtmp://h/live?token=x", "cam", "live/cam", {"token": "x"}),
        ("live?token=x&a=1", "rtmp://h/live", "cam?token=y", "live/cam", {"token": "y", "a": "1"}),
        ("live/room", "rtmp://h/live/room", "cam", "live/room/cam", {}),
        ("live", "rtmp://h/live", "room/cam", "live/room/cam", {}),
        ("live/cam", "rtmp://h/live/cam", "", "live/cam", {}),
        ("live/cam?token=x", "rtmp://h/live/cam?token=x", "", "live/cam", {"token": "x"}),
        ("live", "rtmp://h/live/cam?token=x", "", "live/cam", {"token": "x"}),
        ("", "rtmp://h/live", "cam", "live/cam", {}),
        ("", "", "live/cam", "live/cam", {}),
        ("live/", "rtmp://h/live/", "/cam", "live/cam", {}),
        ("live/_definst_", "rtmp://h/live/_definst_", "mp4:cam", "live/cam", {}),
        ("live", "rtmp://h/live", "k%C3%A4mera", "live/kämera", {}),
        ("live", "rtmp://h/live", "cam?token=a%20b&empty=", "live/cam", {"token": "a b", "empty": ""}),
    ],
)
def test_split(app: str, tc_url: str, name: str, path: str, parameters: dict[str, str]) -> None:
    application = application_address(app, tc_url)
    address, leaf = stream_address(application, tc_url, name)
    assert (address.path, address.parameters) == (path, parameters)
    assert path.endswith(leaf)
    assert leaf


@pytest.mark.parametrize(
    ("path", "query", "asked"),
    [
        ("/live/cam", "", ("live", "cam")),
        ("/live/room/cam", "token=x", ("live/room", "cam?token=x")),
        ("/cam", "", ("cam", "")),
        ("cam/", "user=a&pass=b", ("cam?user=a&pass=b", "")),
    ],
)
def test_a_client_divides_what_a_server_joins(path: str, query: str, asked: tuple[str, str]) -> None:
    assert client_address(path, query) == asked
    app, name = asked
    address, _ = stream_address(application_address(app, f"rtmp://h/{app}"), f"rtmp://h/{app}", name)
    assert address.path == path.strip("/")
    assert "&".join(f"{each}={value}" for each, value in address.parameters.items()) == query


@pytest.mark.parametrize("path", ["", "/", "//"])
def test_a_client_needs_a_path(path: str) -> None:
    with pytest.raises(Refused, match="names a stream"):
        client_address(path, "a=b")


@pytest.mark.parametrize(
    "name",
    ["..", "a/../b", ".", "%2e%2e", "a%2fb", "a%5cb", "a\\b", "a%00b", "a\nb", "%ff", "\ufffd", "x" * 2000, "%61" * 600],
)
def test_unclean_names_are_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        stream_address(application_address("live", "rtmp://h/live"), "", name)
    assert refused.value.refusal is Refusal.BAD_REQUEST


def test_no_name_anywhere_is_refused() -> None:
    with pytest.raises(Refused):
        stream_address(application_address("", ""), "", "")


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(Refused):
        application_address("live?" + "&".join(f"p{index}=1" for index in range(100)), "")


@settings(max_examples=120)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_an_address_or_refused(app: str, tc_url: str, name: str) -> None:
    try:
        address, _ = stream_address(application_address(app, tc_url), tc_url, name)
    except Refused:
        return
    assert address.path
    assert not {".", "..", ""} & set(address.path.split("/"))
    assert address.path.isprintable()
    assert clean_path(address.path.replace("%", "%25")) == address.path
