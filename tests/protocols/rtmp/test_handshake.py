"""The handshake in both forms and both roles. That the digests are right is proved by FFmpeg, which checks them."""

import random

import pytest

from arcly_actors.errors import Malformed
from arcly_actors.protocols.rtmp.handshake import SIZE, ClientHandshake, ServerHandshake, find_digest

SERVER_NAME = b"Genuine Adobe Flash Media Server 001"


def cuts(data: bytes, how: str) -> list[bytes]:
    if how == "whole":
        return [data]
    if how == "bytes":
        return [data[index : index + 1] for index in range(len(data))]
    dice = random.Random(how)
    places = sorted(dice.choices(range(len(data)), k=7))
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("how", ["whole", "bytes", "random"])
@pytest.mark.parametrize(("digest", "scheme"), [(True, 8), (True, 772), (False, 8)])
def test_both_ends_agree(how: str, digest: bool, scheme: int) -> None:
    server = ServerHandshake(b"server")
    client = ClientHandshake(b"client", digest=digest, scheme=scheme)
    answer = b"".join(server.receive(piece) for piece in cuts(client.start(), how))
    assert len(answer) == 1 + 2 * SIZE
    c2 = b"".join(client.receive(piece) for piece in cuts(answer, how))
    for piece in cuts(c2, how)[:-1]:
        server.receive(piece)
    early = server.complete
    server.receive(cuts(c2, how)[-1] + b"more")
    assert len(c2) == SIZE
    assert not early
    assert client.complete
    assert server.complete
    assert server.rest == b"more"
    assert server.digest is digest


def test_a_simple_client_gets_its_own_bytes_back() -> None:
    client = ClientHandshake(b"client", digest=False)
    c1 = client.start()[1:]
    answer = ServerHandshake(b"server").receive(client.start())
    assert answer[1 + SIZE :] == c1
    assert client.receive(answer) == answer[1 : 1 + SIZE]


def test_a_version_without_digest_falls_back_to_the_simple_form() -> None:
    c1 = bytes(4) + b"\x09\x00\x7c\x02" + bytes(SIZE - 8)
    server = ServerHandshake(b"server")
    assert server.receive(b"\x03" + c1)[1 + SIZE :] == c1
    assert not server.digest


def test_the_seed_decides_the_bytes() -> None:
    hello = ClientHandshake(b"client").start()
    assert ServerHandshake(b"a").receive(hello) == ServerHandshake(b"a").receive(hello)
    assert ServerHandshake(b"a").receive(hello) != ServerHandshake(b"b").receive(hello)


def test_a_forged_proof_is_found() -> None:
    client = ClientHandshake(b"client")
    answer = bytearray(ServerHandshake(b"server").receive(client.start()))
    assert find_digest(bytes(answer[1 : 1 + SIZE]), SERVER_NAME) is not None
    answer[-1] ^= 1
    with pytest.raises(Malformed, match="prove"):
        client.receive(bytes(answer))


@pytest.mark.parametrize("first", [0x00, 0x06, 0x16, ord("G")])
def test_other_protocols_are_known_by_their_first_byte(first: int) -> None:
    with pytest.raises(Malformed):
        ServerHandshake(b"server").receive(bytes((first,)))
    with pytest.raises(Malformed):
        ClientHandshake(b"client").receive(bytes((first,)))
