"""The DTLS client against OpenSSL's server: what it must not believe, and messages in pieces."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from arcly_actors import limits
from arcly_actors.clock import VirtualClock
from arcly_actors.errors import Malformed
from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls import DtlsState, Identity
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_wire import Direction, Message, Reassembly, Record
from tests.support.webrtc_peer import Peer, rsa_certificate

IDENTITY = Identity(VirtualClock())
RSA = rsa_certificate()


def client(peer: Peer) -> DtlsClient:
    return DtlsClient(IDENTITY, tuple((one.algorithm, one.value) for one in peer.parameters.fingerprints))


def first_flight(peer: Peer, made: DtlsClient) -> bytes:
    """What the server says to our hello."""
    flights: list[bytes] = []
    peer.out = flights.append
    made.start()
    for datagram in made.take():
        peer.receive(datagram)
    return b"".join(flights)


def finish(peer: Peer, made: DtlsClient) -> None:
    """The rest of the handshake; the server may choke on what was made of it."""
    peer.out = made.receive
    with suppress(SSL.Error):
        for datagram in made.take():
            peer.receive(datagram)


@pytest.mark.parametrize("certificate", ["ECDSA", "RSA"])
def test_a_server_flight_with_any_bit_changed_is_not_believed(certificate: str) -> None:
    """Nothing but numbers of records may change; all else is signed, or in the transcript, or makes no sense."""

    def server() -> Peer:
        return Peer(passive=True) if certificate == "ECDSA" else Peer(passive=True, certificate=RSA)

    size = len(first_flight(server(), client(Peer(passive=True))))
    believed = 0
    for at in range(0, size - 20, 5):
        peer = server()
        made = client(peer)
        flight = bytearray(first_flight(peer, made))
        flight[at] ^= 1 << at % 8
        made.receive(bytes(flight))
        finish(peer, made)
        headers = {start + offset for start in starts(bytes(flight)) for offset in (*range(1, 11),)}
        if made.state is DtlsState.CONNECTED:
            assert at in headers
            believed += 1
        assert made.state is not DtlsState.FAILED or made.failure
    assert believed < size // 20


def starts(flight: bytes) -> list[int]:
    """Where the records of a flight begin."""
    found, at = [], 0
    while at + 13 <= len(flight):
        found.append(at)
        at += 13 + int.from_bytes(flight[at + 11 : at + 13], "big")
    return found


def test_a_server_that_wants_a_cookie_gets_it() -> None:
    peer = Peer(passive=True, cookies=True)
    made = client(peer)
    made.receive(first_flight(peer, made))
    flights: list[bytes] = []
    peer.out = flights.append
    for datagram in made.take():
        peer.receive(datagram)
    for flight in flights:
        made.receive(flight)
    finish(peer, made)
    assert (made.state, peer.connected) == (DtlsState.CONNECTED, True)


def test_only_one_cookie_is_taken() -> None:
    made = client(Peer(passive=True))
    made.start()
    assert len(made.take()) == 1
    for number, answers in ((0, 1), (1, 1), (2, 0)):
        request = Message(3, number, b"\xfe\xff\x01c").whole
        made.receive(wire.write_record(Record(wire.HANDSHAKE, number, request)))
        assert len(made.take()) == answers
    assert made.state is DtlsState.FAILED


def test_flights_out_of_order_and_twice() -> None:
    peer = Peer(passive=True)
    made = client(peer)
    flight = first_flight(peer, made)
    cuts = [*starts(flight), len(flight)]
    pieces = [flight[start:end] for start, end in pairwise(cuts)]
    for piece in (*reversed(pieces), *pieces):
        made.receive(piece)
    finish(peer, made)
    assert made.state is DtlsState.CONNECTED


def test_an_alert_of_the_server_ends_the_handshake() -> None:
    made = client(Peer(passive=True))
    made.start()
    made.receive(wire.write_record(Record(wire.ALERT, 0, b"\x01\x5a")))
    assert made.state is DtlsState.HANDSHAKING
    made.receive(wire.write_record(Record(wire.ALERT, 1, b"\x02\x28")))
    assert (made.state, made.failure) == (DtlsState.FAILED, "the peer gave up (alert 40)")


@settings(max_examples=80)
@given(st.binary(max_size=3000), st.integers(1, 1200), st.randoms(use_true_random=False))
def test_messages_are_put_together_again(body: bytes, most: int, dice: object) -> None:
    pieces = wire.fragments(Message(11, 0, body), most)
    dice.shuffle(pieces)  # type: ignore[attr-defined]  # a Random
    reassembly = Reassembly()
    for piece in pieces:
        assert reassembly.next() is None
        reassembly.add(piece)
    assert reassembly.next() == Message(11, 0, body)
    assert reassembly.next() is None
    assert reassembly._waiting == {}


def test_pieces_may_overlap() -> None:
    """A sender may cut a message anew when it repeats it (RFC 6347 section 4.2.3)."""
    message = Message(11, 0, bytes(range(250)) * 4)
    first, second = wire.fragments(message, 400), wire.fragments(message, 300)
    reassembly = Reassembly()
    for piece in (first[0], second[3], second[1]):
        reassembly.add(piece)
        assert reassembly.next() is None
    reassembly.add(second[2])
    assert reassembly.next() == message


def test_pieces_that_do_not_fit_together() -> None:
    reassembly = Reassembly()
    reassembly.add(wire.fragments(Message(11, 0, bytes(100)), 50)[0])
    with pytest.raises(Malformed):
        reassembly.add(wire.fragments(Message(11, 0, bytes(101)), 50)[1])


def test_what_waits_is_bounded() -> None:
    reassembly = Reassembly()
    for number in range(1, 3 * limits.DTLS_AHEAD):
        reassembly.add(Message(11, number, b"x").whole)
    assert list(reassembly._waiting) == list(range(1, limits.DTLS_AHEAD))
    reassembly.add(Message(11, 0, b"x").whole)  # what is far ahead does not keep the next one out
    assert reassembly.next() == Message(11, 0, b"x")
    with pytest.raises(Malformed):
        reassembly.add(Message(11, 1, bytes(limits.DTLS_MESSAGE + 1)).whole)


def test_protected_records() -> None:
    direction = Direction(b"k" * 16, b"salt")
    record = Record(wire.ALERT, 1 << 48, b"\x01\x00")
    sealed = direction.seal(record)
    assert direction.open(sealed) == record
    assert direction.open(sealed._replace(number=sealed.number + 1)) is None
    assert direction.open(sealed._replace(kind=wire.DATA)) is None
    assert direction.open(sealed._replace(body=sealed.body[:20])) is None
    assert direction.open(Direction(b"x" * 16, b"salt").seal(record)) is None


def test_the_pseudorandom_function_is_that_of_tls_1_2() -> None:
    """The vector for SHA-256 that was published on the TLS working group's list."""
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    found = wire.expand(secret, b"test label", seed, 100)
    assert found.hex().startswith("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a")
    assert len(found) == 100
