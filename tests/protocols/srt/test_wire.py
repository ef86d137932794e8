"""Packets, handshakes, key material and stream ids on the wire: whole, cut, with trailing bytes, and anything at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.handshake import (
    SIZE,
    Block,
    Capabilities,
    ExtensionType,
    Handshake,
    HandshakeType,
    encode_text,
    read_text,
)
from arcly_actors.protocols.srt.keys import KeyMaterial, Keys, _vector
from arcly_actors.protocols.srt.packet import control, difference, loss_list, read_loss_list, unwrap
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.protocols.srt.stream_id import read_stream_id
from arcly_actors.transport.srt_ciphers import SrtCiphers


def test_a_conclusion_is_read_as_it_was_written() -> None:
    blocks = (
        Block(ExtensionType.HSREQ, Capabilities(0x010501, 0xBF, 120, 0).encode()),
        Block(ExtensionType.STREAM_ID, encode_text("publish:live/cam")),
    )
    shake = Handshake(5, HandshakeType.CONCLUSION, 7, 99, 0xDEADBEEF, 2, 5, blocks=blocks)
    assert Handshake.read(shake.encode()) == shake


@given(st.binary(max_size=200))
def test_any_bytes_are_a_handshake_or_malformed(content: bytes) -> None:
    try:
        shake = Handshake.read(content)
    except Malformed:
        return
    assert len(content) >= SIZE
    assert len(shake.blocks) <= limits.SRT_EXTENSIONS


@pytest.mark.parametrize("cut", range(1, 28, 4))
def test_a_cut_extension_is_malformed(cut: int) -> None:
    blocks = (Block(ExtensionType.HSREQ, bytes(12)), Block(ExtensionType.STREAM_ID, encode_text("12345678")))
    whole = Handshake(5, HandshakeType.CONCLUSION, 7, 99, extension=5, blocks=blocks).encode()
    try:
        shake = Handshake.read(whole[:-cut])
    except Malformed:
        return
    assert len(shake.blocks) < 2


@pytest.mark.parametrize("text", ["", "a", "abcd", "abcde", "#!::r=live/cam,m=publish", "ü"])
def test_texts_are_reversed_in_words(text: str) -> None:
    content = encode_text(text)
    assert len(content) % 4 == 0
    assert read_text(content) == text


def test_a_text_is_not_believed_blindly() -> None:
    for content in (bytes(limits.SRT_STREAM_ID + 4), b"\xff\xff\xff\xff", encode_text("a\nb")):
        with pytest.raises(Malformed):
            read_text(content + encode_text("x") if not any(content) else content)


def test_sequence_numbers_compare_across_their_wrap() -> None:
    assert difference(0, 0x7FFFFFFF) == 1
    assert difference(0x7FFFFFFF, 0) == -1
    assert unwrap(3, 0x7FFFFFFE) == 0x80000003
    assert unwrap(0x7FFFFFFF, 0x80000001) == 0x7FFFFFFF


def test_a_loss_list_is_as_in_appendix_a() -> None:
    assert loss_list([5]) == struct.pack(">I", 5)
    assert loss_list([5, 6, 7, 9]) == struct.pack(">III", 0x80000005, 7, 9)
    assert read_loss_list(loss_list([5, 6, 7, 9]), 5) == [(5, 7), (9, 9)]
    across = [0x7FFFFFFE, 0x7FFFFFFF, 0x80000000]
    assert read_loss_list(loss_list(across), 0x7FFFFFFE) == [(0x7FFFFFFE, 0x80000000)]


def test_a_loss_list_fits_into_a_datagram_however_much_is_missing() -> None:
    assert len(loss_list(range(0, 100_000, 2))) <= limits.SRT_LARGEST_PAYLOAD


@given(st.binary(max_size=64), st.integers(0, 1 << 40))
def test_any_bytes_are_a_loss_list_or_malformed(content: bytes, near: int) -> None:
    try:
        ranges = read_loss_list(content, near)
    except Malformed:
        return
    assert all(first <= last for first, last in ranges)


@pytest.mark.parametrize("cut", [0, 1, 5, 20, 40])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_key_material_with_the_right_and_the_wrong_passphrase(size: int, cut: int) -> None:
    ciphers = SrtCiphers()
    message = Keys(ciphers, "correct horse", Seed(b"1")).create(size)
    assert len(message) == 16 + 16 + 8 + size
    if cut:
        with pytest.raises(Malformed):
            KeyMaterial.read(message[:-cut])
        return
    assert Keys(ciphers, "correct horse", Seed(b"2")).accept(message, first=True)
    assert not Keys(ciphers, "wrong horse", Seed(b"2")).accept(message, first=True)


@given(st.binary(max_size=120))
def test_any_bytes_are_key_material_or_malformed(content: bytes) -> None:
    try:
        material = KeyMaterial.read(content)
    except Malformed:
        return
    assert material.key_size in {16, 24, 32}


def test_the_counter_is_the_salt_with_the_packets_number() -> None:
    salt = bytes(range(16))
    assert _vector(salt, 0) == salt[:14] + bytes(2)
    assert _vector(salt, 0x80000001) == salt[:10] + bytes([10, 11, 12, 13 ^ 1]) + bytes(2)


@pytest.mark.parametrize(
    ("text", "publishes", "path"),
    [
        ("publish:live/cam", True, "live/cam"),
        ("read:live/cam", False, "live/cam"),
        ("request:live/cam", False, "live/cam"),
        ("play:/live/cam", False, "live/cam"),
        ("live/cam", False, "live/cam"),
        ("#!::r=live/cam,m=publish", True, "live/cam"),
        ("#!::m=publish,r=/live/cam,u=admin,h=example.org,s=1,t=stream", True, "live/cam"),
        ("#!::r=live/cam", False, "live/cam"),
        ("publish:live/cam?token=x&empty=", True, "live/cam"),
    ],
)
def test_stream_ids(text: str, publishes: bool, path: str) -> None:
    wanted = read_stream_id(text)
    assert (wanted.publishes, wanted.path) == (publishes, path)
    assert dict(wanted.parameters) == ({"token": "x", "empty": ""} if "?" in text else {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reject.BAD_REQUEST),
        ("publish:", Reject.BAD_REQUEST),
        ("delete:live/cam", Reject.BAD_MODE),
        ("#!::r=live/cam,m=bidirectional", Reject.BAD_MODE),
        ("#!::r=live/cam,m=publish,t=file", Reject.UNSUPPORTED_MEDIA),
        ("#!::live/cam", Reject.BAD_REQUEST),
        ("#!:{r=live/cam}", Reject.BAD_REQUEST),
        (f"publish:a/b?{'x=1&' * 40}", Reject.BAD_REQUEST),
    ],
)
def test_what_is_no_stream_id_is_told_why(text: str, reason: Reject) -> None:
    with pytest.raises(Rejected) as refused:
        read_stream_id(text)
    assert refused.value.reason is reason


@given(st.text(max_size=100))
def test_any_text_is_a_stream_id_or_rejected(text: str) -> None:
    try:
        wanted = read_stream_id(text)
    except Rejected:
        return
    assert wanted.path


def test_a_control_packet_without_content_is_padded() -> None:
    assert control(1, 0, 5, 9) == bytes.fromhex("80010000 00000000 00000005 00000009 00000000")
