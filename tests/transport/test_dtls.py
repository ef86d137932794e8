"""A DTLS association by itself, in both roles: flights, fingerprints, and bytes that are no DTLS."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL, crypto

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.transport.dtls import DtlsServer, DtlsState, Identity, datagrams
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_settled import SettledDtls, settled
from arcly_actors.transport.srtp import key_length
from tests.support.webrtc_peer import Peer, rsa_certificate

IDENTITY = Identity(VirtualClock())


def joined(peer: Peer) -> DtlsServer | DtlsClient:
    """The other end of this peer, joined by memory; what the peer sends is answered within the call."""
    prints = tuple((one.algorithm, one.value) for one in peer.parameters.fingerprints)
    made = (DtlsClient if peer.passive else DtlsServer)(IDENTITY, prints)

    def carry(datagram: bytes) -> None:
        made.receive(datagram)
        for answer in made.take():
            peer.receive(answer)

    peer.out = carry
    return made


def shake_hands(made: DtlsServer | DtlsClient, peer: Peer) -> None:
    """Whoever is the client begins."""
    made.start()
    for datagram in made.take():
        peer.receive(datagram)
    if not peer.passive:
        peer.shake_hands()


@pytest.mark.parametrize("passive", [False, True])
def test_both_ends_have_the_same_keys_and_say_goodbye(passive: bool) -> None:
    peer = Peer(passive=passive)
    made = joined(peer)
    shake_hands(made, peer)
    assert (made.state, peer.connected) == (DtlsState.CONNECTED, True)
    # The server chooses: we the fastest, aiortc the longest key.
    assert made.profile.name == ("SRTP_AEAD_AES_256_GCM" if passive else "SRTP_AEAD_AES_128_GCM")
    assert made.material == peer._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", key_length(made.profile))
    assert made.wake_in() is None
    made.close()
    for datagram in made.take():
        peer.receive(datagram)
    assert made.state is DtlsState.CLOSED
    assert peer.closed


@pytest.mark.parametrize("passive", [False, True])
def test_a_goodbye_is_answered(passive: bool) -> None:
    peer = Peer(passive=passive)
    made = joined(peer)
    shake_hands(made, peer)
    goodbyes: list[bytes] = []
    peer.out = goodbyes.append
    peer._ssl.shutdown()
    peer.flush()
    made.receive(goodbyes[-1])
    assert made.state is DtlsState.CLOSED
    answers = made.take()
    assert [datagram[0] for datagram in answers] == [21]
    peer._ssl.bio_write(answers[0])
    with pytest.raises(SSL.ZeroReturnError):
        peer._ssl.recv(1)


def settled_with(peer: Peer) -> SettledDtls:
    """What is left of our side once this peer is connected; what either says reaches the other."""
    made = joined(peer)
    shake_hands(made, peer)
    left = settled(made)
    assert isinstance(left, SettledDtls)

    def carry(datagram: bytes) -> None:
        left.receive(datagram)
        for answer in left.take():
            peer.receive(answer)

    peer.out = carry
    return left


def test_what_is_left_of_an_association_says_goodbye_once() -> None:
    peer = Peer()
    left = settled_with(peer)
    assert (left.state, left.profile.name, left.wake_in()) == (DtlsState.CONNECTED, "SRTP_AEAD_AES_128_GCM", None)
    left.close()
    left.close()
    (goodbye,) = left.take()
    peer.receive(goodbye)
    assert left.state is DtlsState.CLOSED
    assert peer.closed
    assert left.take() == []


def test_what_is_left_of_an_association_hears_a_goodbye_and_answers() -> None:
    peer = Peer()
    left = settled_with(peer)
    goodbyes: list[bytes] = []
    peer.out = goodbyes.append
    peer._ssl.shutdown()
    peer.flush()
    (goodbye,) = goodbyes
    for at in range(len(goodbye)):
        left.receive(goodbye[:at] + bytes((goodbye[at] ^ 1,)) + goodbye[at + 1 :])
        left.receive(goodbye[:at])
    assert (left.state, left.take()) == (DtlsState.CONNECTED, [])
    left.receive(b"noise" + goodbye)
    assert left.take() == []
    left.receive(goodbye + goodbye)
    (answer,) = left.take()
    peer._ssl.bio_write(answer)
    with pytest.raises(SSL.ZeroReturnError):
        peer._ssl.recv(1)


def test_a_client_association_and_one_of_another_cipher_stay_as_they_are() -> None:
    for peer in (Peer(passive=True), Peer(ciphers=b"ECDHE-ECDSA-AES256-GCM-SHA384")):
        made = joined(peer)
        shake_hands(made, peer)
        assert made.state is DtlsState.CONNECTED
        assert settled(made) is made


def test_a_flight_is_repeated_on_time() -> None:
    peer = Peer()
    made = joined(peer)
    first: list[bytes] = []
    peer.out = first.append
    peer.shake_hands()
    made.receive(first[0])
    assert made.take()
    wait = made.wake_in()
    assert wait is not None
    assert 0 < wait <= NS_PER_S
    made.wake()  # too early: nothing is due
    assert made.take() == []


def test_a_client_says_hello_once_and_a_server_waits() -> None:
    client, server = joined(Peer(passive=True)), joined(Peer())
    assert client.wake_in() is None
    client.start()
    assert [datagram[0] for datagram in client.take()] == [22]
    assert client.wake_in()
    client.start()
    server.start()
    assert client.take() == server.take() == []
    client.close()
    client.start()
    assert client.take() == []


def test_a_client_takes_servers_with_rsa_certificates() -> None:
    peer = Peer(passive=True, certificate=rsa_certificate())
    made = joined(peer)
    shake_hands(made, peer)
    assert (made.state, peer.connected) == (DtlsState.CONNECTED, True)


def test_two_clients_end_in_a_failure() -> None:
    made = joined(Peer(passive=True))
    made.start()
    made.take()
    other = Peer()
    other.out = made.receive
    other.shake_hands()
    assert made.state is DtlsState.FAILED
    assert made.failure


@pytest.mark.parametrize("passive", [False, True])
def test_only_the_signalled_certificate_is_accepted(passive: bool) -> None:
    peer = Peer(passive=passive)
    good = {one.algorithm: one.value for one in peer.parameters.fingerprints}
    for prints, fine in (
        ((("SHA-256", good["sha-256"].lower()),), True),
        ((("sha-256", "AA"), ("sha-256", good["sha-256"])), True),
        ((("sha-512", "AA"), ("sha-256", good["sha-256"])), False),
        ((("sha-1", "AA"),), False),
        ((), False),
    ):
        other = Peer(passive=passive)
        made = joined(other)
        made._fingerprints = prints
        with suppress(SSL.Error):  # the peer hears of our refusal
            shake_hands(made, other)
        assert made.state is (DtlsState.CONNECTED if fine else DtlsState.FAILED)


@pytest.mark.parametrize("passive", [False, True])
def test_a_certificate_that_only_openssl_can_read_ends_it(passive: bool) -> None:
    """X.509 version 2: `cryptography` has an exception of its own for it, which is no ValueError."""
    peer = Peer(passive=passive)
    made = joined(peer)
    seen = crypto.dump_certificate(crypto.FILETYPE_ASN1, crypto.X509.from_cryptography(peer.certificate._cert))
    second = seen.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    # There is no other way to hand over what `cryptography` cannot read.
    with pytest.warns(DeprecationWarning, match="X509"):
        peer._ssl.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, second))
    with suppress(SSL.Error):
        shake_hands(made, peer)
    assert made.state is DtlsState.FAILED
    assert "cannot be read" in made.failure


def test_the_certificate_is_one_for_the_port_and_valid_now() -> None:
    peer = Peer()
    made = joined(peer)
    peer.shake_hands()
    assert made.state is DtlsState.CONNECTED
    seen = peer._ssl.get_peer_certificate(as_cryptography=True)
    assert seen is not None
    now = datetime.fromtimestamp(VirtualClock().wall_ns() / NS_PER_S, UTC)
    assert seen.not_valid_before_utc < now < seen.not_valid_after_utc
    assert len(IDENTITY.fingerprint.split(":")) == 32


@settings(max_examples=120)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_damaged_flights_end_in_a_state_and_never_in_an_exception(damages: list[tuple[int, int]], passive: bool) -> None:
    peer = Peer(passive=passive)
    made = joined(peer)
    flights: list[bytes] = []
    peer.out = flights.append
    shake_hands(made, peer)
    for where, value in damages:
        if not flights:
            break
        datagram = bytearray(flights.pop())
        datagram[where % len(datagram)] = value
        made.receive(bytes(datagram))
        for answer in made.take():
            with suppress(SSL.Error):  # the peer of these tests may choke on what comes back; ours may not
                peer.receive(answer)
    assert made.state in DtlsState
    assert made.state is not DtlsState.FAILED or made.failure


@settings(max_examples=120)
@given(st.lists(st.binary(max_size=200).map(lambda rest: b"\x16\xfe\xfd" + rest), max_size=5), st.booleans())
def test_noise_is_no_handshake(noise: list[bytes], passive: bool) -> None:
    made = joined(Peer(passive=passive))
    made.start()
    for datagram in noise:
        made.receive(datagram)
        made.take()
    made.wake()
    made.close()
    assert made.state in {DtlsState.FAILED, DtlsState.CLOSED}


@pytest.mark.parametrize("sizes", [[], [100], [500, 500, 500], [1187, 1187], [1188, 5], [3000, 10, 10]])
def test_flights_are_cut_between_records(sizes: list[int]) -> None:
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size) for size in sizes]
    cut = datagrams(b"".join(records))
    assert b"".join(cut) == b"".join(records)
    starts = {sum(map(len, records[:count])) for count in range(len(records) + 1)}
    assert {sum(map(len, cut[:count])) for count in range(len(cut) + 1)} <= starts
    assert all(len(one) <= limits.DTLS_MTU or one in records for one in cut)
