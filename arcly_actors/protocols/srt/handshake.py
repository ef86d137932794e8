"""The handshake packet and its extensions (draft-sharabayko-srt section 3.2.1)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import Self

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.reject import FAILURES

_FIXED = struct.Struct(">IHHIIIIII16s")
SIZE = _FIXED.size
VERSION = 5
LEGACY_VERSION = 4
MAGIC = 0x4A17
"""In an induction's answer: version 5 is spoken here."""

DATAGRAM = 2
"""In a version 4 handshake, thus in an induction: UDT's datagram socket, the only kind that SRT has."""

OUR_VERSION = 0x010501
"""The libsrt version whose behaviour this is: 1.5.1."""


class HandshakeType(IntEnum):
    """Where in the handshake a packet belongs; from `FAILURES` on it is a refusal."""

    WAVE = 0
    INDUCTION = 1
    AGREEMENT = 0xFFFF_FFFE
    CONCLUSION = 0xFFFF_FFFF


class ExtensionFlag(IntFlag):
    """Which extensions follow."""

    HANDSHAKE = 1
    KEY_MATERIAL = 2
    CONFIGURATION = 4


class ExtensionType(IntEnum):
    """Kinds of extension blocks (table 5)."""

    HSREQ = 1
    HSRSP = 2
    KMREQ = 3
    KMRSP = 4
    STREAM_ID = 5
    CONGESTION = 6
    FILTER = 7
    GROUP = 8


class Flag(IntFlag):
    """What a side can do (section 3.2.1.1.1)."""

    TSBPD_SEND = 1
    TSBPD_RECEIVE = 2
    CRYPT = 4
    TOO_LATE_DROP = 8
    PERIODIC_NAK = 0x10
    REXMIT = 0x20
    STREAM = 0x40
    FILTER = 0x80


OUR_FLAGS = (
    Flag.TSBPD_SEND | Flag.TSBPD_RECEIVE | Flag.CRYPT | Flag.TOO_LATE_DROP | Flag.PERIODIC_NAK | Flag.REXMIT | Flag.FILTER
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """One extension; `content` is as it lies on the wire."""

    kind: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """HSREQ or HSRSP: libsrt's version, `Flag`s, the latencies (ms) that this side wants as receiver and as sender."""

    version: int
    flags: int
    receive_latency: int
    send_latency: int

    def encode(self) -> bytes:
        """As it lies on the wire."""
        return struct.pack(">IIHH", self.version, self.flags, self.receive_latency, self.send_latency)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Malformed when it is too short."""
        if len(content) < 12:
            raise Malformed("an SRT capability extension is shorter than 12 bytes")
        return cls(*struct.unpack_from(">IIHH", content))


@dataclass(frozen=True, slots=True)
class Handshake:
    """The content of a handshake packet."""

    version: int
    kind: int
    sequence: int
    socket_id: int
    cookie: int = 0
    encryption: int = 0
    extension: int = 0
    mtu: int = limits.SRT_MTU
    window: int = limits.SRT_WINDOW
    address: bytes = bytes(16)
    blocks: tuple[Block, ...] = field(default=())

    def encode(self) -> bytes:
        """As it lies on the wire."""
        fixed = _FIXED.pack(
            self.version,
            self.encryption,
            self.extension,
            self.sequence,
            self.mtu,
            self.window,
            self.kind,
            self.socket_id,
            self.cookie,
            self.address,
        )
        return fixed + b"".join(
            struct.pack(">HH", block.kind, (len(block.content) + 3) // 4) + block.content + bytes(-len(block.content) % 4)
            for block in self.blocks
        )

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Malformed when it is cut short, or an extension runs past its end."""
        if len(content) < SIZE:
            raise Malformed(f"a handshake has {SIZE} bytes, this one {len(content)}")
        version, encryption, extension, sequence, mtu, window, kind, socket_id, cookie, address = _FIXED.unpack_from(
            content
        )
        blocks: tuple[Block, ...] = ()
        if version >= VERSION and kind == HandshakeType.CONCLUSION and extension:
            blocks = _read_blocks(content[SIZE:])
        return cls(
            version, kind, sequence & 0x7FFF_FFFF, socket_id, cookie, encryption, extension, mtu, window, address, blocks
        )

    @property
    def rejection(self) -> int | None:
        """The reason of a refusal, None when it is none."""
        return self.kind - FAILURES if FAILURES <= self.kind < HandshakeType.AGREEMENT else None

    def block(self, kind: ExtensionType) -> bytes | None:
        """The content of the first extension of this kind."""
        return next((block.content for block in self.blocks if block.kind == kind), None)

    def answered(self, kind: int, socket_id: int, *, blocks: Sequence[Block] = ()) -> Self:
        """The same with what an answer changes."""
        return replace(self, kind=kind, socket_id=socket_id, blocks=tuple(blocks))


def _read_blocks(content: bytes) -> tuple[Block, ...]:
    blocks: list[Block] = []
    position = 0
    while position + 4 <= len(content):
        kind, count = struct.unpack_from(">HH", content, position)
        end = position + 4 + count * 4
        if end > len(content):
            raise Malformed("an extension of a handshake runs past its end")
        if len(blocks) == limits.SRT_EXTENSIONS:
            raise Malformed(f"a handshake has more than {limits.SRT_EXTENSIONS} extensions")
        blocks.append(Block(kind, content[position + 4 : end]))
        position = end
    return tuple(blocks)


def encode_text(text: str) -> bytes:
    """A stream id or a name: every word of four bytes is reversed on the wire (section 3.2.1.3)."""
    data = text.encode()
    return _reversed_words(data + bytes(-len(data) % 4))


def read_text(content: bytes) -> str:
    """The same backwards; Malformed when it is too long, or not text."""
    if len(content) > limits.SRT_STREAM_ID:
        raise Malformed(f"a stream id has at most {limits.SRT_STREAM_ID} bytes")
    data = _reversed_words(content).rstrip(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Malformed("a stream id is not UTF-8") from None
    if not text.isprintable():
        raise Malformed("a stream id has characters that cannot be printed")
    return text


def _reversed_words(data: bytes) -> bytes:
    return b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
