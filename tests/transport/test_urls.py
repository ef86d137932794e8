"""URLs: what is read from them, and what of them may be shown."""

import pytest

from arcly_actors.errors import ConfigurationError
from arcly_actors.transport.urls import Url

SHOWN = {
    "rtsp://user:pass@camera/stream": "rtsp://***@camera/stream",
    "rtsp://user@camera/stream": "rtsp://***@camera/stream",
    "rtsp://user:p%40ss@[fe80::1]:8554/a/b": "rtsp://***@[fe80::1]:8554/a/b",
    "https://host/live.m3u8?token=sesame&x=1": "https://host/live.m3u8?***",
    "udp://239.0.0.1:1234": "udp://239.0.0.1:1234/",
    "clip.mp4": "clip.mp4",
    "films/clip?.mp4": "films/clip?.mp4",
    "file:///films/clip.mp4": "/films/clip.mp4",
}


@pytest.mark.parametrize("text", SHOWN)
def test_what_may_be_shown(text: str) -> None:
    url = Url.parse(text)
    assert str(url) == SHOWN[text]
    assert "sesame" not in repr(url)
    assert "pass" not in repr(url)


def test_a_stream_key_is_a_secret() -> None:
    url = Url.parse("rtmp://u:password@host:1936/live2/abcd-efgh?backup=1234", keyed=True)
    assert str(url) == "rtmp://***@host:1936/live2/***?***"
    assert (url.host, url.port, url.path, url.query) == ("host", 1936, "live2/abcd-efgh", "backup=1234")
    assert "abcd" not in repr(url)


def test_what_others_say_is_freed_of_secrets() -> None:
    text = "rtmp://u:password@host/live2/abcd?token=sesame"
    url = Url.parse(text, keyed=True)
    assert url.hidden_from(f"cannot open {text}") == "cannot open rtmp://***@host/live2/***?***"
    assert url.hidden_from("abcd is taken, password, token=sesame") == "*** is taken, ***, ***"


@pytest.mark.parametrize(
    ("text", "shown", "web"),
    [
        ("whip:https://host/a/whip", "whip:https://host/***", "https://host/a/whip"),
        ("whip:http://host:8080/a?token=sesame", "whip:http://host:8080/***?***", "http://host:8080/a?token=sesame"),
        ("WHIPS://u:sesame@host/", "whip:https://***@host/", "https://host/"),
        ("whip://[::1]:80/sesame", "whip:http://[::1]:80/***", "http://[::1]:80/sesame"),
    ],
)
def test_a_whip_address_is_a_web_address_whose_path_is_a_secret(text: str, shown: str, web: str) -> None:
    url = Url.parse(text, keyed=True)
    assert (str(url), url.web) == (shown, web)
    assert "sesame" not in repr(url)
    assert url.hidden_from(f"at {text}, at {web}") == f"at {shown}, at {shown}"


def test_parts_of_a_whip_path_are_hidden_if_they_can_be_secrets() -> None:
    url = Url.parse("whips://host/live/abcdef0123456789/publish", keyed=True)
    assert url.hidden_from("no abcdef0123456789 is live") == "no *** is live"


@pytest.mark.parametrize(
    "text", ["", "rtsp://", "rtsp:///x", "rtsp://host:port/x", "rtsp://host:99999/x", "rtsp://[::1/x", "rtsp://a b/c",
             "x" * 5000, "rtsp://host/a\nb", "rtsp://host/\x00"]
)  # fmt: skip
def test_what_is_no_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Url.parse(text)
    assert not text or text not in str(caught.value)
