"""The lite agent: who is answered, which path media takes, consent, restart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_S
from arcly_actors.protocols.webrtc import ice, stun
from arcly_actors.protocols.webrtc.ice import Check, IceCredentials, IceLite, Ignored, check_request, ufrag_of
from arcly_actors.protocols.webrtc.stun import Attribute, Kind, StunMessage

FUZZ = settings(max_examples=120)
OURS = IceCredentials("ours", "o" * 22)
THEIRS = IceCredentials("them", "t" * 22)
NEW = IceCredentials("ours2", "n" * 22)
THEIR_NEW = IceCredentials("them2", "m" * 22)
T = bytes(range(12))
WIFI = ("192.0.2.1", 1000)
PHONE = ("2001:db8::1", 2000)


def agent() -> IceLite:
    return IceLite(OURS, THEIRS, opened=0)


def check(*, nominate: bool = False) -> bytes:
    return check_request(THEIRS, OURS, T, nominate=nominate)


def request(*attributes: tuple[int, bytes], password: str | None = OURS.pwd, user: str = "ours:them") -> bytes:
    named = ((Attribute.USERNAME, user.encode()), *attributes)
    return stun.build(StunMessage(Kind.REQUEST, T, named), password)


def error_of(outcome: Check) -> int:
    assert outcome.reply is not None
    return stun.read_error(stun.parse(outcome.reply))


def test_a_check_is_answered_with_its_source() -> None:
    outcome = agent().receive(check(), WIFI, 1)
    assert outcome.reply is not None
    assert (outcome.validated, outcome.selected, outcome.moved) == (True, False, True)
    reply = stun.parse(outcome.reply)
    assert (reply.kind, reply.transaction) == (Kind.SUCCESS, T)
    assert stun.authentic(outcome.reply, reply, OURS.pwd)
    value = reply.find(Attribute.XOR_MAPPED_ADDRESS)
    assert value is not None
    assert stun.read_mapped_address(value, T) == WIFI


@pytest.mark.parametrize("source", [WIFI, PHONE])
def test_a_check_again_is_answered_as_the_first_was(source: tuple[str, int]) -> None:
    fast, slow = agent(), agent()
    assert fast.again(check(nominate=True), source, 1) is None
    for each in (fast, slow):
        assert each.receive(check(nominate=True), source, 1).validated
    following = check_request(THEIRS, OURS, bytes(range(100, 112)), nominate=True)
    assert fast.again(following, source, 2) == slow.receive(following, source, 2).reply
    assert (fast.expires, fast.paths, fast.path) == (slow.expires, slow.paths, slow.path)


def test_a_check_again_is_as_authentic_as_the_first_was() -> None:
    session = agent()
    session.receive(check(nominate=True), WIFI, 1)
    following = check_request(THEIRS, OURS, bytes(range(100, 112)), nominate=True)
    for at in range(len(following)):
        damaged = following[:at] + bytes((following[at] ^ 1,)) + following[at + 1 :]
        assert session.again(damaged, WIFI, 2) is None
        assert session.again(following[:at], WIFI, 2) is None
    assert session.again(request(password=None), WIFI, 2) is None
    assert session.again(check(), WIFI, 2) is None, "it nominates no more"
    assert session.again(following, PHONE, 2) is None
    assert session.expires == 1 + 30 * NS_PER_S
    session.restart(NEW, THEIR_NEW)
    assert session.again(following, WIFI, 2) is None


IGNORED = {
    "no integrity": (request(password=None), Ignored.NOT_AUTHENTIC),
    "another password": (request(password="x" * 22), Ignored.NOT_AUTHENTIC),
    "another session": (request(user="else:them"), Ignored.WRONG_USER),
    "another peer": (request(user="ours:else"), Ignored.WRONG_USER),
    "no user": (stun.build(StunMessage(Kind.REQUEST, T), OURS.pwd), Ignored.WRONG_USER),
    "an indication": (stun.build(StunMessage(Kind.INDICATION, T), OURS.pwd), Ignored.NOT_A_REQUEST),
    "a response": (stun.build(StunMessage(Kind.SUCCESS, T), OURS.pwd), Ignored.NOT_A_REQUEST),
    "another method": (stun.build(StunMessage(Kind.REQUEST, T, method=3), OURS.pwd), Ignored.NOT_A_REQUEST),
    "no STUN": (b"hello", Ignored.MALFORMED),
    "a wrong fingerprint": (check()[:-1] + b"\0", Ignored.MALFORMED),
}


@pytest.mark.parametrize(("datagram", "why"), IGNORED.values(), ids=IGNORED)
def test_strangers_get_no_answer_and_change_nothing(datagram: bytes, why: Ignored) -> None:
    session = agent()
    assert session.receive(datagram, WIFI, 1) == Check(ignored=why)
    assert session.path is None
    assert session.paths == {}
    assert session.expires == 30 * NS_PER_S


@FUZZ
@given(st.binary(max_size=120), st.integers(0, 120))
def test_damaged_checks_get_no_answer(garbage: bytes, at: int) -> None:
    session = agent()
    whole = check()
    damaged = whole[:at] + garbage + whole[at + len(garbage) :]
    outcome = session.receive(damaged, WIFI, 1)
    covered = len(whole) - 8  # what follows the integrity, the fingerprint, proves nothing (RFC 8489 §14.5)
    assert outcome.reply is None or damaged[:covered] == whole[:covered]
    assert outcome.reply is not None or damaged != whole
    assert ufrag_of(damaged) in {None, "ours"} or damaged != whole


def test_the_peer_must_control() -> None:
    session = agent()
    outcome = session.receive(request((Attribute.ICE_CONTROLLED, bytes(8))), WIFI, 1)
    assert error_of(outcome) == 487
    assert not outcome.validated
    assert session.path is None


def test_unknown_attributes_are_named() -> None:
    outcome = agent().receive(request((0x7001, b""), (0xF001, b"")), WIFI, 1)
    assert error_of(outcome) == 420
    assert outcome.reply is not None
    assert stun.parse(outcome.reply).find(Attribute.UNKNOWN_ATTRIBUTES) == b"\x70\x01"


def test_media_takes_the_first_path_and_then_the_selected_one() -> None:
    session = agent()
    session.receive(check(), WIFI, 1)
    assert session.receive(check(), PHONE, 2).moved is False
    assert session.path == WIFI
    outcome = session.receive(check(nominate=True), PHONE, 3)
    assert (outcome.selected, outcome.moved) == (True, True)
    assert session.path == PHONE
    assert session.receive(check(nominate=True), PHONE, 4).moved is False
    assert session.receive(check(), WIFI, 5).moved is False
    assert session.receive(check(nominate=True), WIFI, 6).moved is True


def test_media_does_not_move_without_a_validated_check() -> None:
    session = agent()
    session.receive(check(nominate=True), WIFI, 1)
    forged = request((Attribute.USE_CANDIDATE, b""), password="x" * 22)
    assert session.receive(forged, PHONE, 2).moved is False
    assert session.path == WIFI
    assert PHONE not in session.paths


def test_consent_ends_30_seconds_after_the_last_check() -> None:
    session = agent()
    session.receive(check(), WIFI, 10 * NS_PER_S)
    session.receive(request(password=None), WIFI, 39 * NS_PER_S)
    assert not session.expired(40 * NS_PER_S - 1)
    assert session.expired(40 * NS_PER_S)
    session.receive(check(), WIFI, 39 * NS_PER_S)
    assert not session.expired(40 * NS_PER_S)
    assert agent().expired(30 * NS_PER_S)


def test_paths_are_bounded_and_the_one_in_use_stays() -> None:
    session = agent()
    session.receive(check(nominate=True), WIFI, 1)
    for number in range(20):
        session.receive(check(), ("192.0.2.9", 3000 + number), 2 + number)
    assert len(session.paths) == 8
    assert WIFI in session.paths
    assert session.path == WIFI


def test_a_restart_changes_over_with_the_first_check_that_uses_it() -> None:
    session = agent()
    session.receive(check(nominate=True), WIFI, 1)
    session.restart(NEW, THEIR_NEW)
    assert session.receive(check(), WIFI, 2).validated
    assert session.path == WIFI
    outcome = session.receive(check_request(THEIR_NEW, NEW, T, nominate=True), PHONE, 3)
    assert (outcome.validated, session.path) == (True, PHONE)
    assert session.receive(check(), WIFI, 4) == Check(ignored=Ignored.WRONG_USER)
    with pytest.raises(ValueError, match="new user name"):
        session.restart(NEW, THEIR_NEW)


def test_a_second_restart_forgets_the_one_that_was_never_used() -> None:
    session = agent()
    session.restart(NEW, THEIR_NEW)
    third = IceCredentials("ours3", "q" * 22)
    session.restart(third, THEIR_NEW)
    assert session.receive(check_request(THEIR_NEW, third, T), WIFI, 1).validated


def test_whose_session_a_datagram_names() -> None:
    assert ufrag_of(check()) == "ours"
    assert ufrag_of(b"") is None
    assert ufrag_of(stun.build(StunMessage(Kind.REQUEST, T))) is None
    assert ufrag_of(stun.build(StunMessage(Kind.INDICATION, T))) is None
    assert ice.ufrag_of(request(user="nocolon")) is None
