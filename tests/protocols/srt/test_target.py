"""SRT URLs: what they say, and what is wrong with those that say nothing that can be."""

import pytest

from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import ConfigurationError
from arcly_actors.protocols.srt.target import Mode, SrtTarget
from arcly_actors.transport.urls import Url


def read(text: str) -> SrtTarget:
    url = Url.parse(text)
    return SrtTarget.of(url.host, url.port, url.query)


def test_a_url_with_everything() -> None:
    target = read(
        "srt://h.example:9000?mode=caller&streamid=#!::r=live/cam,m=request&passphrase=correct%20horse+1"
        "&pbkeylen=32&latency=250&kmrefreshrate=1000&kmpreannounce=100&adapter=10.0.0.1"
    )
    assert (target.mode, target.host, target.port) == (Mode.CALLER, "h.example", 9000)
    assert target.stream_id == "#!::r=live/cam,m=request"
    assert target.terms.passphrase == "correct horse+1"
    assert (target.terms.key_size, target.terms.latency, target.terms.send_latency) == (
        32,
        250 * NS_PER_MS,
        250 * NS_PER_MS,
    )
    assert (target.terms.refresh, target.terms.announce) == (1000, 100)
    assert target.local == ("10.0.0.1", 0)
    assert "horse" not in repr(target)


def test_who_calls_whom() -> None:
    assert read("srt://h:1").mode is Mode.CALLER
    assert read("srt://:8890").mode is Mode.LISTENER
    assert read("srt://:8890").local == ("", 8890)
    assert read("srt://0.0.0.0:8890?mode=listener").local == ("0.0.0.0", 8890)
    assert read("srt://h:1?mode=rendezvous").local == ("", 1)


def test_nothing_of_it_is_shown() -> None:
    shown = str(Url.parse("srt://h:1?passphrase=correct-horse&streamid=#!::u=me"))
    assert shown == "srt://h:1/?***"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("srt://h", "needs a port"),
        ("srt://h:1?mode=sideways", "caller, listener, rendezvous"),
        ("srt://:1?mode=caller", "needs a host"),
        ("srt://h:1?passphrase=short", "10 to 80"),
        ("srt://h:1?pbkeylen=17", "16, 24 or 32"),
        ("srt://h:1?latency=120000", "milliseconds, at most 8000"),
        ("srt://h:1?latency=-1", "milliseconds"),
        ("srt://h:1?passfrase=0123456789", "there are mode"),
        (f"srt://h:1?streamid={'x' * 513}", "512"),
    ],
)
def test_what_is_wrong_is_said_without_repeating_secrets(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as raised:
        read(text)
    assert "0123456789" not in str(raised.value)
