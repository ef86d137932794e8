"""What two sides have to agree on: capabilities, latencies, keys. The same for listeners, callers and rendezvous."""

from dataclasses import dataclass, field

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.fec_plan import FecPlan, agreed
from arcly_actors.protocols.srt.handshake import (
    OUR_FLAGS,
    OUR_VERSION,
    Block,
    Capabilities,
    ExtensionFlag,
    ExtensionType,
    Flag,
    Handshake,
    encode_text,
    read_text,
)
from arcly_actors.protocols.srt.keys import Ciphers, Keys, KeyState
from arcly_actors.protocols.srt.packet import words
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed

_OLDEST = 0x010300
"""The first libsrt with handshake version 5."""

_FIRST_ANSWERS = {
    KeyState.NO_SECRET: Reject.UNSECURE,
    KeyState.BAD_SECRET: Reject.BAD_SECRET,
    KeyState.UNSECURED: Reject.UNSECURE,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What our side wants: latency (ns) of what it receives, the secret, and the least latency (ns) that the peer is to
    have with what we send. `refresh` and `announce` are in packets. `packet_filter` is a configuration of forward error
    correction (see `fec_plan`); without one it is the peer's, if that has one.
    """

    latency: int = limits.SRT_LATENCY
    passphrase: str = field(default="", repr=False)
    key_size: int = 16
    refresh: int = limits.SRT_KEY_REFRESH
    announce: int = limits.SRT_KEY_ANNOUNCE
    send_latency: int = 0
    packet_filter: str = ""

    @property
    def latency_ms(self) -> int:
        """The latency as it goes on the wire."""
        return min(self.latency, limits.SRT_MAX_LATENCY) // NS_PER_MS

    @property
    def send_latency_ms(self) -> int:
        """The same of what we send."""
        return min(self.send_latency, limits.SRT_MAX_LATENCY) // NS_PER_MS

    def keys(self, ciphers: Ciphers, seed: Seed) -> Keys | None:
        """The keys of a connection on these terms; None without a passphrase."""
        if not self.passphrase:
            return None
        return Keys(ciphers, self.passphrase, seed, refresh=self.refresh, ahead=self.announce)


def offer(terms: Terms, keys: Keys | None, stream_id: str) -> tuple[int, tuple[Block, ...]]:
    """What the side says that asks: the flags and the extensions of its conclusion."""
    blocks = [Block(ExtensionType.HSREQ, _capabilities(terms.latency_ms, terms.send_latency_ms).encode())]
    flags = ExtensionFlag.HANDSHAKE
    if keys is not None:
        blocks.append(Block(ExtensionType.KMREQ, keys.create(terms.key_size)))
        flags |= ExtensionFlag.KEY_MATERIAL
    if stream_id:
        blocks.append(Block(ExtensionType.STREAM_ID, encode_text(stream_id)))
        flags |= ExtensionFlag.CONFIGURATION
    if terms.packet_filter:
        blocks.append(Block(ExtensionType.FILTER, encode_text(terms.packet_filter)))
        flags |= ExtensionFlag.CONFIGURATION
    return int(flags), tuple(blocks)


def request_of(shake: Handshake) -> tuple[Capabilities, str]:
    """What a conclusion asks for: capabilities and stream id; Rejected or Malformed when that cannot be had here."""
    content = shake.block(ExtensionType.HSREQ)
    if content is None:
        raise Rejected(Reject.ROGUE, "the handshake has no capabilities")
    capabilities = Capabilities.read(content)
    if capabilities.version < _OLDEST:
        raise Rejected(Reject.VERSION, f"libsrt {capabilities.version:#x} is too old")
    if capabilities.flags & Flag.STREAM:
        raise Rejected(Reject.MESSAGE_API, "only live transmission is served, no files")
    congestion = shake.block(ExtensionType.CONGESTION)
    if congestion is not None and read_text(congestion) != "live":
        raise Rejected(Reject.CONGESTION, "only live transmission is served, no files")
    if shake.block(ExtensionType.GROUP) is not None:
        raise Rejected(Reject.GROUP, "groups of connections are not served")
    stream_id = shake.block(ExtensionType.STREAM_ID)
    return capabilities, read_text(stream_id) if stream_id is not None else ""


def protection(shake: Handshake, terms: Terms) -> str:
    """Which packet filter both sides have, of what a conclusion says; empty for none. Rejected when they do not agree."""
    content = shake.block(ExtensionType.FILTER)
    if content is None:
        if terms.packet_filter:
            raise Rejected(Reject.FILTER, "the peer has no packet filter")
        return ""
    found = agreed(terms.packet_filter, read_text(content))
    FecPlan.of(found)
    return found


def take_keys(shake: Handshake, keys: Keys | None) -> None:
    """Take the keys that the asking side sent; Rejected when only one side has a secret, or theirs is another."""
    material = shake.block(ExtensionType.KMREQ)
    if (material is None) != (keys is None):
        raise Rejected(Reject.UNSECURE)
    if keys is None or material is None:
        return
    try:
        if not keys.accept(material, first=True):
            raise Rejected(Reject.BAD_SECRET)
    except Malformed:
        raise Rejected(Reject.ROGUE, "the key material could not be read") from None


def answer(shake: Handshake, latencies: tuple[int, int], packet_filter: str = "") -> tuple[int, tuple[Block, ...]]:
    """What the side says that was asked: the flags and extensions of its conclusion; keys are sent back as they came."""
    blocks = [Block(ExtensionType.HSRSP, _capabilities(*latencies).encode())]
    flags = ExtensionFlag.HANDSHAKE
    material = shake.block(ExtensionType.KMREQ)
    if material is not None:
        blocks.append(Block(ExtensionType.KMRSP, material))
        flags |= ExtensionFlag.KEY_MATERIAL
    if packet_filter:
        blocks.append(Block(ExtensionType.FILTER, encode_text(packet_filter)))
        flags |= ExtensionFlag.CONFIGURATION
    return int(flags), tuple(blocks)


def answered(shake: Handshake, keys: Keys | None) -> Capabilities:
    """What the asked side answered; Rejected when it has not the same secret, or no capabilities."""
    content = shake.block(ExtensionType.HSRSP)
    if content is None:
        raise Rejected(Reject.ROGUE, "the answer has no capabilities")
    material = shake.block(ExtensionType.KMRSP)
    if keys is None and material is None:
        return Capabilities.read(content)
    if keys is None or material is None:
        raise Rejected(Reject.UNSECURE)
    if len(material) == 4:
        raise Rejected(_FIRST_ANSWERS.get(words(material)[0], Reject.UNSECURE))
    return Capabilities.read(content)


def latencies(terms: Terms, peer: Capabilities) -> tuple[int, int]:
    """What both get (ms), of what we receive and of what the peer does: the larger of the wishes (section 4.4)."""
    most = limits.SRT_MAX_LATENCY // NS_PER_MS
    return (
        max(terms.latency_ms, min(peer.send_latency, most)),
        max(terms.send_latency_ms, min(peer.receive_latency, most)),
    )


def _capabilities(receive: int, send: int) -> Capabilities:
    return Capabilities(OUR_VERSION, int(OUR_FLAGS), receive, send)
