"""STUN messages: the vectors of RFC 5769, our own against another implementation, and damage."""

import pytest
from aioice import stun as aioice_stun
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.webrtc import stun
from arcly_actors.protocols.webrtc.stun import Attribute, Kind, StunMessage

FUZZ = settings(max_examples=120)
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

# RFC 5769 §2.1-2.3; padding with spaces, as there.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
RESPONSE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)


def test_the_request_of_rfc_5769() -> None:
    message = stun.parse(REQUEST)
    assert (message.kind, message.method, message.transaction) == (Kind.REQUEST, stun.BINDING, TRANSACTION)
    assert stun.user_of(message) == ("evtj", "h6vY")
    assert message.find(Attribute.SOFTWARE) == b"STUN test client"
    assert message.find(Attribute.PRIORITY) == bytes.fromhex("6e0001ff")
    assert message.find(Attribute.ICE_CONTROLLED) == bytes.fromhex("932ff9b151263b36")
    assert message.not_understood() == ()
    assert stun.authentic(REQUEST, message, PASSWORD)
    assert not stun.authentic(REQUEST, message, PASSWORD + "x")


@pytest.mark.parametrize(
    ("data", "address"),
    [(RESPONSE_IPV4, ("192.0.2.1", 32853)), (RESPONSE_IPV6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))],
)
def test_the_responses_of_rfc_5769(data: bytes, address: tuple[str, int]) -> None:
    message = stun.parse(data)
    assert message.kind is Kind.SUCCESS
    assert stun.authentic(data, message, PASSWORD)
    value = message.find(Attribute.XOR_MAPPED_ADDRESS)
    assert value is not None
    assert stun.read_mapped_address(value, message.transaction) == address
    assert stun.mapped_address(address, TRANSACTION) == value


def test_ours_is_read_by_another_implementation() -> None:
    attributes = ((Attribute.USERNAME, b"evtj:h6vY"), (Attribute.USE_CANDIDATE, b""))
    data = stun.build(StunMessage(Kind.REQUEST, TRANSACTION, attributes), PASSWORD)
    theirs = aioice_stun.parse_message(data)
    assert theirs.check_message_integrity(PASSWORD.encode())
    assert theirs.attributes["USERNAME"] == "evtj:h6vY"
    assert "USE-CANDIDATE" in theirs.attributes
    ours = stun.parse(data)
    assert ours.attributes == attributes
    assert stun.authentic(data, ours, PASSWORD)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("method", [1, 0x00F, 0x010, 0x080, 0xFFF])
def test_kinds_and_methods_round_trip(kind: Kind, method: int) -> None:
    message = stun.parse(stun.build(StunMessage(kind, TRANSACTION, method=method)))
    assert (message.kind, message.method, message.attributes) == (kind, method, ())
    assert not stun.authentic(b"", message, PASSWORD)


def test_what_follows_the_integrity_is_ignored() -> None:
    head = stun.build(StunMessage(Kind.REQUEST, TRANSACTION), PASSWORD)[: 20 + 24]
    grown = head[:2] + (24 + 8).to_bytes(2) + head[4:] + bytes.fromhex("0025000400000000")
    message = stun.parse(grown)
    assert message.attributes == ()
    assert stun.authentic(grown, message, PASSWORD)


def test_every_cut_and_every_flipped_byte() -> None:
    for end in range(len(REQUEST)):
        with pytest.raises(Malformed):
            stun.parse(REQUEST[:end])
    for at in range(len(REQUEST) - 8):  # FINGERPRINT itself is not covered by the integrity
        damaged = bytearray(REQUEST)
        damaged[at] ^= 0x01
        try:
            message = stun.parse(bytes(damaged))
        except PeerViolation:
            continue
        assert not stun.authentic(bytes(damaged), message, PASSWORD)
    with pytest.raises(Malformed):
        stun.parse(REQUEST + b"\0\0\0\0")


def test_bounds() -> None:
    with pytest.raises(PeerLimit, match="attributes"):
        stun.parse(stun.build(StunMessage(Kind.REQUEST, TRANSACTION, ((Attribute.SOFTWARE, b""),) * 33)))
    with pytest.raises(PeerLimit, match="bytes"):
        stun.parse(stun.build(StunMessage(Kind.REQUEST, TRANSACTION, ((Attribute.SOFTWARE, bytes(1500)),))))


@pytest.mark.parametrize("value", [b"", b"\0\1\0\0\0\0\0", b"\0\2\0\0\0\0\0\0", b"\0\1" + bytes(18)])
def test_broken_addresses(value: bytes) -> None:
    with pytest.raises(Malformed):
        stun.read_mapped_address(value, TRANSACTION)


@pytest.mark.parametrize("name", [b"nocolon", b"\xff:\xff", b"a:" + b"b" * 600])
def test_broken_user_names(name: bytes) -> None:
    assert stun.user_of(StunMessage(Kind.REQUEST, TRANSACTION, ((Attribute.USERNAME, name),))) is None


def test_error_codes() -> None:
    message = StunMessage(Kind.ERROR, TRANSACTION, (stun.error_code(487, "Role Conflict"),))
    assert stun.read_error(stun.parse(stun.build(message))) == 487
    assert stun.read_error(StunMessage(Kind.ERROR, TRANSACTION, ((Attribute.ERROR_CODE, b"\0"),))) == 0


def test_what_looks_like_stun() -> None:
    assert stun.looks_like(REQUEST)
    assert not stun.looks_like(REQUEST[:19])
    assert not stun.looks_like(b"\x16\xfe\xfd" + bytes(40))
    assert not stun.looks_like(b"\x80" + bytes(40))


@FUZZ
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(data: bytes, framed: bool) -> None:
    if framed:
        body = data[: len(data) // 4 * 4]
        data = b"\0\1" + len(body).to_bytes(2) + stun.COOKIE.to_bytes(4) + TRANSACTION + body
    try:
        message = stun.parse(data)
    except PeerViolation:
        return
    assert not stun.authentic(data, message, PASSWORD)
    stun.user_of(message)
    stun.read_error(message)
