"""What a DTLS client must not believe, said by a server whose Finished always fits what it said."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import VirtualClock
from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls import DtlsState, Identity
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_wire import Message, Record
from arcly_actors.transport.srtp import key_length
from tests.support.dtls_server import (
    CERTIFICATE,
    CURVES,
    DONE,
    EXTENSIONS,
    FINISHED,
    KEY,
    P256,
    REQUEST,
    REQUEST_BODY,
    Change,
    ScriptedServer,
    handshake,
    hello,
)

IDENTITY = Identity(VirtualClock())
RSA = rsa.generate_private_key(65537, 2048)
SHA = {4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512()}
SRTP, SECRET, RENEGOTIATION = 14, 23, 0xFF01
# The generator of P-256, in the form that no hello of ours offers.
COMPRESSED = bytes.fromhex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")


def client(server: ScriptedServer) -> DtlsClient:
    return DtlsClient(IDENTITY, server.prints)


def ended(server: ScriptedServer) -> DtlsClient:
    made = client(server)
    handshake(made, server)
    return made


def flipped(at: int) -> Change:
    """A bit of this byte is; signatures in DER have not always the same length."""

    def change(body: bytes) -> bytes:
        new = bytearray(body)
        new[at % len(body)] ^= 1 << at % 8
        return bytes(new)

    return change


@pytest.mark.parametrize("digest", SHA)
@pytest.mark.parametrize("group", [29, *CURVES])
def test_every_group_and_hash_that_is_offered_works(group: int, digest: int) -> None:
    for key in (P256, RSA, ec.generate_private_key(ec.SECP224R1())):
        server = ScriptedServer(key, group=group, digest=(digest, SHA[digest]))
        made = ended(server)
        assert made.state is DtlsState.CONNECTED
        seed = server.transcript[14:46] + b"s" * 32  # the client's random bytes, in its hello
        assert made.material == wire.expand(server.master, b"EXTRACTOR-dtls_srtp", seed, key_length(made.profile))


@pytest.mark.parametrize("key", [P256, RSA], ids=["ECDSA", "RSA"])
@pytest.mark.parametrize("kind", [CERTIFICATE, KEY, FINISHED])
def test_no_byte_of_what_proves_the_server_may_change(kind: int, key: ec.EllipticCurvePrivateKey) -> None:
    sizes: dict[int, int] = {}

    def measured(body: bytes) -> bytes:
        sizes[kind] = len(body)
        return body

    assert ended(ScriptedServer(key, changes={kind: measured})).state is DtlsState.CONNECTED
    for at in range(sizes[kind]):
        made = ended(ScriptedServer(key, changes={kind: flipped(at)}))
        assert (made.state, bool(made.failure)) == (DtlsState.FAILED, True), at


def test_another_certificate_is_not_believed_though_its_key_signs() -> None:
    made = client(ScriptedServer())
    handshake(made, ScriptedServer(ec.generate_private_key(ec.SECP256R1())))
    assert "fingerprint" in made.failure


def test_a_signature_of_another_handshake_is_not_believed() -> None:
    recorded: list[bytes] = []

    def record(body: bytes) -> bytes:
        recorded.append(body)
        return body

    ended(ScriptedServer(changes={KEY: record}))
    assert "does not have" in ended(ScriptedServer(changes={KEY: lambda _: recorded[0]})).failure


@pytest.mark.parametrize(
    "said",
    [
        hello(version=wire.DTLS_1_0),
        hello(version=b"\xfe\xfc"),
        hello(suite=b"\xc0\x2f"),  # that of RSA, with a certificate on P-256
        hello(suite=b"\xc0\x2c"),
        hello(suite=b"\x00\x00"),
        hello(compression=b"\1"),
        hello(session=b"x" * 33),
        hello({kind: body for kind, body in EXTENSIONS.items() if kind != SECRET}),
        hello({kind: body for kind, body in EXTENSIONS.items() if kind != SRTP}),
        hello(EXTENSIONS | {16: b"\x00\x07\x06webrtc"}),
        hello([*EXTENSIONS.items(), (SECRET, b"")]),
        hello(EXTENSIONS | {SECRET: b"\0"}),
        hello(EXTENSIONS | {RENEGOTIATION: b"\x01x"}),
        hello(EXTENSIONS | {SRTP: b"\x00\x02\x00\x02\x00"}),
        hello(EXTENSIONS | {SRTP: b"\x00\x04\x00\x07\x00\x01\x00"}),
        hello(EXTENSIONS | {SRTP: b"\x00\x02\x00\x07\x01k"}),
        hello(EXTENSIONS | {SRTP: b"\x00\x02\x00\x07"}),
        hello() + b"x",
        hello()[:-1],
        hello()[:38],
    ],
)
def test_a_hello_chooses_from_what_was_offered(said: bytes) -> None:
    made = ended(ScriptedServer(said=said))
    assert (made.state, bool(made.failure)) == (DtlsState.FAILED, True)


def test_a_server_need_not_know_of_renegotiation() -> None:
    made = ended(ScriptedServer(said=hello({SECRET: b"", SRTP: EXTENSIONS[SRTP]})))
    assert made.state is DtlsState.CONNECTED


@pytest.mark.parametrize(
    ("group", "share"),
    [
        (29, bytes(32)),
        (29, b"\1" + bytes(31)),
        (29, b"a" * 31),
        (23, b""),
        (23, b"\0"),
        (23, b"\4" + bytes(64)),
        (23, b"\4" + b"a" * 64),
        (23, b"\4" + b"a" * 63),
        (24, b"\4" + b"a" * 64),
        (23, COMPRESSED),
        (22, None),
        (0, None),
        (30, None),
    ],
)
def test_a_share_must_be_a_point_of_a_group_that_was_offered(group: int, share: bytes | None) -> None:
    assert ended(ScriptedServer(group=group, share=share)).state is DtlsState.FAILED


def test_hashes_that_were_not_offered_are_no_signatures() -> None:
    for digest in ((2, hashes.SHA1()), (3, hashes.SHA224())):
        assert ended(ScriptedServer(digest=digest)).state is DtlsState.FAILED


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
    ],
)
def test_keys_on_other_curves_and_short_ones_are_refused(key: ec.EllipticCurvePrivateKey) -> None:
    assert "key of another kind" in ended(ScriptedServer(key)).failure


def test_certificates_that_cannot_be_read_end_it() -> None:
    """X.509 version 2 among them, for which `cryptography` has an exception of its own."""
    version = ScriptedServer().der.find(b"\xa0\x03\x02\x01\x02") + 4
    for change in (
        lambda body: body[: version + 6] + b"\x01" + body[version + 7 :],
        lambda body: body[:6],
        lambda _: bytes(3),
        lambda _: bytes(6),
        lambda _: b"",
        lambda body: body + b"x",
    ):
        made = ended(ScriptedServer(changes={CERTIFICATE: change}))
        assert (made.state, bool(made.failure)) == (DtlsState.FAILED, True)


@pytest.mark.parametrize(
    ("request_body", "fine"),
    [
        (None, True),
        (REQUEST_BODY, True),
        (b"\x02\x01\x40" + b"\x00\x04\x08\x04\x04\x03" + b"\x00\x03abc", True),
        (b"\x01\x01" + REQUEST_BODY[2:], False),
        (b"\x01\x40" + b"\x00\x02\x04\x01" + b"\x00\x00", False),
        (REQUEST_BODY + b"x", False),
        (REQUEST_BODY[:-1], False),
        (b"", False),
    ],
)
def test_a_request_must_leave_room_for_our_certificate(request_body: bytes | None, fine: bool) -> None:
    made = ended(ScriptedServer(request=request_body))
    assert made.state is (DtlsState.CONNECTED if fine else DtlsState.FAILED)


@pytest.mark.parametrize("kind", [KEY, DONE, FINISHED])
def test_nothing_may_follow_the_contents_of_a_message(kind: int) -> None:
    assert ended(ScriptedServer(changes={kind: lambda body: body + b"x"})).state is DtlsState.FAILED


@settings(max_examples=80)
@given(
    st.sampled_from([2, CERTIFICATE, KEY, REQUEST, DONE, FINISHED]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.binary(max_size=40)), min_size=1, max_size=3),
)
def test_any_change_of_a_message_ends_it_or_is_harmless(kind: int, cuts: list[tuple[int, int, bytes]]) -> None:
    """What is signed never survives a change; what is not (hello, request) may, where it still makes sense."""
    changed = False

    def change(body: bytes) -> bytes:
        nonlocal changed
        new = body
        for start, size, put in cuts:
            at = start % (len(new) + 1)
            new = new[:at] + put + new[at + size :]
        changed = new != body
        return new

    made = ended(ScriptedServer(changes={kind: change}))
    assert made.state in {DtlsState.FAILED, DtlsState.CONNECTED}
    if made.state is DtlsState.CONNECTED:
        assert not changed or kind == REQUEST


def test_nothing_counts_before_our_hello() -> None:
    server = ScriptedServer()
    made = client(server)
    made.receive(server.plain(Message(3, 0, b"\xfe\xff\x01c")))
    made.receive(wire.write_record(Record(wire.ALERT, 0, b"\x02\x28")))
    assert made.take() == []
    handshake(made, server)
    assert made.state is DtlsState.CONNECTED


def awaiting_finished() -> tuple[DtlsClient, ScriptedServer, Message]:
    server = ScriptedServer()
    made = client(server)
    made.start()
    for message in server.answer(made.take()):
        made.receive(server.plain(message))
    return made, server, server.finish(made.take())


def test_a_finished_counts_only_in_a_record_of_the_first_epoch() -> None:
    made, server, finished = awaiting_finished()
    for data in (server.plain(finished), server.sealed(finished.whole, epoch=2), server.sealed(finished.whole, epoch=0)):
        made.receive(data)
        assert (made.state, made.material) == (DtlsState.HANDSHAKING, b"")
    made.receive(server.sealed(finished.whole))
    assert made.state is DtlsState.CONNECTED


def test_a_finished_with_any_byte_changed_does_not_count() -> None:
    """Neither in its record, which leaves room for the real one, nor in the header that is hashed no more."""
    made, server, finished = awaiting_finished()
    real = server.sealed(finished.whole)
    for at in range(len(real)):
        made.receive(flipped(at)(real))
        assert (made.state, made.material) == (DtlsState.HANDSHAKING, b"")
    made.receive(real)
    assert made.state is DtlsState.CONNECTED
    for at in range(12):
        made, server, finished = awaiting_finished()
        made.receive(server.sealed(flipped(at)(finished.whole)))
        assert made.state is not DtlsState.CONNECTED


def test_a_forged_piece_ahead_does_not_keep_the_real_finished_out() -> None:
    server = ScriptedServer()
    made = client(server)
    made.start()
    flight = server.answer(made.take())
    forged = wire.fragments(Message(FINISHED, flight[-1].number + 1, bytes(40)), 20)[0]
    made.receive(wire.write_record(Record(wire.HANDSHAKE, 99, forged)))
    for message in flight:
        made.receive(server.plain(message))
    made.receive(server.sealed(server.finish(made.take()).whole))
    assert made.state is DtlsState.CONNECTED


@pytest.mark.parametrize("kind", [1, 2, CERTIFICATE, KEY, DONE, 0, 4, 22])
def test_nothing_but_a_finished_comes_protected(kind: int) -> None:
    made, server, finished = awaiting_finished()
    made.receive(server.sealed(finished._replace(kind=kind).whole))
    assert made.state is DtlsState.FAILED


def test_data_and_changes_of_ciphers_at_any_time_change_nothing() -> None:
    server = ScriptedServer()
    made = client(server)
    made.start()
    noise = [wire.write_record(Record(kind, 9, b"\x01")) for kind in (wire.DATA, wire.CHANGE_CIPHER, 99)]
    for message in server.answer(made.take()):
        made.receive(b"".join(noise) + server.plain(message))
    finished = server.finish(made.take())
    made.receive(b"".join(noise) + server.sealed(b"data", wire.DATA))
    assert made.state is DtlsState.HANDSHAKING
    made.receive(server.sealed(finished.whole) + b"".join(noise) + server.sealed(b"data", wire.DATA))
    assert (made.state, made.take()) == (DtlsState.CONNECTED, [])


def test_every_record_of_a_repeated_flight_has_a_number_of_its_own() -> None:
    server = ScriptedServer()
    made = client(server)
    made.start()
    for message in server.answer(made.take()):
        made.receive(server.plain(message))
    sent = made.take()
    for _ in range(5):
        made.wake()
        sent += made.take()
    made.close()
    made.receive(b"")
    records = [record for datagram in sent for record in wire.records(datagram)]
    assert len({record.number for record in records}) == len(records)
    nonces = [record.body[:8] for record in records if record.epoch == 1]
    assert len(set(nonces)) == len(nonces) == 6


def test_a_goodbye_is_answered_once_and_replays_do_nothing() -> None:
    made, server, finished = awaiting_finished()
    last, goodbye = server.sealed(finished.whole), server.sealed(b"\x01\x00", wire.ALERT)
    made.receive(last)
    made.receive(last)
    made.receive(wire.write_record(Record(wire.ALERT, 7, b"\x02\x28")))  # without protection
    assert (made.state, made.take()) == (DtlsState.CONNECTED, [])
    made.receive(goodbye)
    made.receive(goodbye)
    answers = [server.theirs.open(record) for datagram in made.take() for record in wire.records(datagram)]
    assert [answer and (answer.kind, answer.body) for answer in answers] == [(wire.ALERT, b"\x01\x00")]
    assert made.state is DtlsState.CLOSED


def test_secrets_of_the_handshake_do_not_outlive_it() -> None:
    made = ended(ScriptedServer())
    assert (made._secret, made._master, made._transcript, made._flight) == (b"", b"", b"", [])
