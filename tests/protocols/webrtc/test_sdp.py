"""Reading descriptions and candidates: anything at all ends in a value or in one of the two errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerViolation, Refused
from arcly_actors.protocols.webrtc import candidate, sdp
from arcly_actors.protocols.webrtc.agreement import Play, Publish
from arcly_actors.protocols.webrtc.h264_profile import Profile, ProfileLevel, breadth, decodes, read
from arcly_actors.protocols.webrtc.negotiate import answer
from tests.protocols.webrtc.offers import FIREFOX, H264_TRACK, LOCAL, OBS, OPUS_TRACK, RECORDED, recorded

FUZZ = settings(max_examples=120)
OFFERS = [FIREFOX, OBS, *(recorded(name) for name in RECORDED)]
WORDS = [
    "a=rtpmap:96 ",
    "a=fmtp:96 apt=",
    "m=video 9 x ",
    "a=mid:",
    "a=rid:",
    "a=group:BUNDLE ",
    "99999999999",
    "é",
    "\0",
]


def check_is_answered_or_refused(text: str) -> None:
    for wants in (Publish(), Play((H264_TRACK, OPUS_TRACK))):
        try:
            negotiation = answer(text, wants, LOCAL)
        except (PeerViolation, Refused):
            continue
        assert sdp.parse(negotiation.answer.text()).text() == negotiation.answer.text()


@FUZZ
@given(st.text())
def test_any_text(text: str) -> None:
    check_is_answered_or_refused(text)
    check_is_answered_or_refused("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n" + text)


@FUZZ
@given(st.sampled_from(OFFERS), st.data())
def test_damaged_offers(offer: str, data: st.DataObject) -> None:
    lines = offer.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        damage = data.draw(st.sampled_from(["drop", "repeat", "cut", "insert", "swap"]))
        if damage == "drop":
            del lines[at]
        elif damage == "repeat":
            lines.insert(at, lines[at])
        elif damage == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        elif damage == "insert":
            middle = data.draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:middle] + data.draw(st.sampled_from(WORDS)) + lines[at][middle:]
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        if not lines:
            break
    check_is_answered_or_refused("\r\n".join(lines))


@pytest.mark.parametrize("offer", [FIREFOX, recorded("chromium-156-whip")], ids=["firefox", "chromium"])
def test_every_cut(offer: str) -> None:
    for end in range(0, len(offer), 7):
        check_is_answered_or_refused(offer[:end])


def test_a_description_is_written_as_it_was_read() -> None:
    text = recorded("chromium-156-whep-data-channel")
    read_once = sdp.parse(text)
    assert sdp.parse(read_once.text()) == read_once


@pytest.mark.parametrize(
    "value",
    [
        "1 1 udp 2130706431 192.0.2.1 39132 typ host",
        "1 1 udp 2130706431 2001:db8::1 9 typ srflx",
        "f 256 tcp 0 6c8dfd19.local 65535 typ host",
    ],
)
def test_candidates_round_trip(value: str) -> None:
    assert candidate.parse(value).text == value
    assert candidate.parse(value + " generation 0 ufrag EsAw network-id 1") == candidate.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        "1 1 udp 1 192.0.2.1 1",
        "1 1 udp 1 192.0.2.1 1 type host",
        "1 -1 udp 1 192.0.2.1 1 typ host",
        "1 1 udp 4294967296 192.0.2.1 1 typ host",
        "1 1 udp 1 192.0.2.1 65536 typ host",
        "1 1 udp 1 192.0.2.1 ٣ typ host",
    ],
)
def test_broken_candidates(value: str) -> None:
    with pytest.raises(Malformed):
        candidate.parse(value)


def test_many_candidates_are_cut_off_and_empty_ones_left_out() -> None:
    assert candidate.parse_all([""]) == ()
    assert len(candidate.parse_all(["1 1 udp 1 192.0.2.1 1 typ host"] * 100)) == 64


def test_host_candidates_have_falling_priorities() -> None:
    first, second = candidate.host_candidates([("192.0.2.1", 8189), ("2001:db8::1", 8189)])
    assert first.text == "1 1 udp 2130706175 192.0.2.1 8189 typ host"
    assert first.priority > second.priority
    assert first.foundation != second.foundation


PROFILES = {
    "42e01f": Profile.CONSTRAINED_BASELINE,
    "42c00a": Profile.CONSTRAINED_BASELINE,
    "4d801f": Profile.CONSTRAINED_BASELINE,
    "58c01f": Profile.CONSTRAINED_BASELINE,
    "42001f": Profile.BASELINE,
    "58801f": Profile.BASELINE,
    "4d001f": Profile.MAIN,
    "4d401f": Profile.MAIN,
    "58001f": Profile.EXTENDED,
    "640c1f": Profile.CONSTRAINED_HIGH,
    "640029": Profile.HIGH,
    "6e001f": Profile.HIGH_10,
    "7a001f": Profile.HIGH_422,
    "f4001f": Profile.HIGH_444,
    "01001f": None,
}


@pytest.mark.parametrize(("text", "profile"), PROFILES.items())
def test_profile_level_ids(text: str, profile: Profile | None) -> None:
    value = read(text)
    assert value is not None
    assert (value.text, value.profile) == (text, profile)


@pytest.mark.parametrize("text", ["", "42e0", "42e01f00", "zzzzzz", "4 2 e 0", "42 e0 1f"])
def test_what_is_no_profile_level_id(text: str) -> None:
    assert read(text) is None


def test_who_decodes_whom() -> None:
    assert decodes(Profile.HIGH, Profile.MAIN)
    assert not decodes(Profile.MAIN, Profile.HIGH)
    assert not decodes(Profile.CONSTRAINED_BASELINE, Profile.BASELINE)
    assert breadth(Profile.HIGH_444) == max(breadth(profile) for profile in Profile)
    assert ProfileLevel(0x42, 0xE0, 0x1F).text == "42e01f"
