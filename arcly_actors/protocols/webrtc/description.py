"""What a peer's description means: who it is, and what each section offers. `read_peer`, `read_media`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.protocols.webrtc import candidate, extensions
from arcly_actors.protocols.webrtc.candidate import Candidate
from arcly_actors.protocols.webrtc.formats import PayloadFormat, read_formats
from arcly_actors.protocols.webrtc.sdp import Section, SessionDescription, every, find, nothing, unsigned


class Direction(StrEnum):
    """Where media flows, seen from who says it (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether who says it would send."""
        return self in {Direction.SENDRECV, Direction.SENDONLY}

    @property
    def receives(self) -> bool:
        """Whether who says it would receive."""
        return self in {Direction.SENDRECV, Direction.RECVONLY}


class Setup(StrEnum):
    """Who starts DTLS (RFC 4145 §4, RFC 8842 §5)."""

    ACTPASS = "actpass"
    ACTIVE = "active"
    PASSIVE = "passive"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash of a certificate (RFC 8122): `algorithm` as in ``sha-256``, `value` as upper-case ``AB:CD:…``."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the bundled transport. `trickles`: more candidates may follow (RFC 8838)."""

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    setup: Setup
    candidates: tuple[Candidate, ...] = ()
    lite: bool = False
    trickles: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """One section as it is offered (or answered). `repairs` maps an SSRC to that of its retransmissions (RFC 4588).

    `rids` are the simulcast encodings that the peer would send, in its order (RFC 8853). `mixed`: it takes
    header extensions of both forms (RFC 8285 §6).
    """

    kind: str
    mid: str
    direction: Direction
    rejected: bool
    bundled: bool
    formats: tuple[PayloadFormat, ...] = ()
    extensions: Mapping[str, tuple[int, str]] = field(default_factory=nothing)
    ssrcs: tuple[int, ...] = ()
    repairs: Mapping[int, int] = field(default_factory=nothing)
    rids: tuple[str, ...] = ()
    reduced_size: bool = False
    mixed: bool = False


_HASHES = MappingProxyType({"sha-256": 32, "sha-384": 48, "sha-512": 64})
_MEDIA_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "TCP/TLS/RTP/SAVPF"})


def bundle(description: SessionDescription) -> tuple[str, ...]:
    """The mids of the first BUNDLE group (RFC 9143 §7), the tagged one first; empty without one."""
    groups = (value.split() for value in every(description.attributes, "group"))
    return next((tuple(group[1:]) for group in groups if group[:1] == ["BUNDLE"]), ())


def read_peer(description: SessionDescription) -> Peer:
    """Who the description is from: its tagged section tells, else the session; `Malformed` without what DTLS needs."""
    group = bundle(description)
    used = [section for section in description.sections if section.port or section.find("bundle-only") is not None]
    tagged = next((section for section in used if group and section.find("mid") == group[0]), used[0] if used else None)
    attributes = (*(tagged.attributes if tagged else ()), *description.attributes)
    ufrag, pwd = credentials(find(attributes, "ice-ufrag"), find(attributes, "ice-pwd"))
    setup = find(attributes, "setup") or Setup.ACTPASS
    if setup not in set(Setup):
        raise Malformed(f"a=setup:{setup[:20]} starts no DTLS")
    # libdatachannel separates them by commas.
    options = " ".join(every(attributes, "ice-options")).replace(",", " ").split()
    return Peer(
        ufrag,
        pwd,
        _fingerprints(tuple(dict.fromkeys(every(attributes, "fingerprint")))),
        Setup(setup),
        candidate.parse_all(every(attributes, "candidate")),
        lite=find(attributes, "ice-lite") is not None,
        trickles="trickle" in options and find(attributes, "end-of-candidates") is None,
    )


def credentials(ufrag: str | None, pwd: str | None) -> tuple[str, str]:
    """Check an ICE user name fragment and password (RFC 8839 §5.4): 4 to 256 and 22 to 256 ICE characters."""
    if ufrag is None or pwd is None:
        raise Malformed("no ICE credentials (ice-ufrag and ice-pwd)")
    if not (4 <= len(ufrag) <= 256 and 22 <= len(pwd) <= 256 and _is_ice(ufrag) and _is_ice(pwd)):
        raise Malformed("ICE credentials of the wrong length or with other characters")
    return ufrag, pwd


def _is_ice(text: str) -> bool:
    # Some clients (an old Firefox, Alexa) use more than ice-char; what would confuse a STUN user name is refused.
    return text.isascii() and ":" not in text and " " not in text


def _fingerprints(values: tuple[str, ...]) -> tuple[Fingerprint, ...]:
    found = []
    for value in values[: len(_HASHES) + 1]:
        algorithm, _, digits = value.partition(" ")
        size = _HASHES.get(algorithm.lower())
        if size is None:
            continue  # sha-1 and older: as if it were not there
        try:
            raw = bytes.fromhex(digits.replace(":", " "))
        except ValueError:
            raw = b""
        if len(raw) != size:
            raise Malformed(f"not a fingerprint: {value[:60]!r}")
        found.append(Fingerprint(algorithm.lower(), raw.hex(":").upper()))
    if not found:
        raise Malformed("no fingerprint of SHA-256 or better")
    return tuple(found)


def read_media(description: SessionDescription) -> tuple[Media, ...]:
    """What each section offers; `Malformed` on nonsense, `PeerLimit` past a bound."""
    group = bundle(description)
    everywhere = find(description.attributes, "extmap-allow-mixed") is not None
    found = tuple(_read_section(section, description, group, mixed=everywhere) for section in description.sections)
    named = [media.mid for media in found if media.mid]
    if len(set(named)) != len(named):
        raise Malformed("two sections have the same mid")
    return found


def _read_section(section: Section, session: SessionDescription, group: tuple[str, ...], *, mixed: bool) -> Media:
    mid = section.find("mid") or ""
    if len(mid) > 32 or " " in mid:
        raise Malformed(f"not a mid: {mid[:40]!r}")
    rejected = section.port == 0 and section.find("bundle-only") is None
    direction = _direction(section, session)
    if rejected or section.kind not in {"audio", "video"} or section.protocol not in _MEDIA_PROTOCOLS:
        return Media(section.kind, mid, direction, rejected, mid in group)
    mixed = mixed or section.find("extmap-allow-mixed") is not None
    return Media(
        section.kind,
        mid,
        direction,
        rejected,
        mid in group,
        read_formats(section),
        extensions.offered(section, mixed=mixed),
        _ssrcs(section),
        _repairs(section),
        _rids(section),
        section.find("rtcp-rsize") is not None,
        mixed,
    )


def _direction(section: Section, session: SessionDescription) -> Direction:
    names = (name for name, _ in (*section.attributes, *session.attributes) if name in set(Direction))
    return Direction(next(names, Direction.SENDRECV))


def _ssrcs(section: Section) -> tuple[int, ...]:
    words = (value.split(maxsplit=1)[:1] for value in section.every("ssrc"))
    return tuple(dict.fromkeys(_ssrc(word[0] if word else "") for word in words))


def _repairs(section: Section) -> Mapping[int, int]:
    """``ssrc-group:FID`` (RFC 5576 §4.2): media, then its retransmissions."""
    groups = (value.split() for value in section.every("ssrc-group"))
    pairs = (group[1:] for group in groups if group[:1] == ["FID"] and len(group) == 3)
    return MappingProxyType({_ssrc(media): _ssrc(repair) for media, repair in pairs})


def _ssrc(text: str) -> int:
    return unsigned(text, 2**32 - 1, "ssrc")


def _rids(section: Section) -> tuple[str, ...]:
    """The encodings of ``simulcast:send``, of alternatives the first; ``~`` (paused at first) is not kept."""
    declared = {words[0] for value in section.every("rid") if (words := value.split())[1:2] == ["send"]}
    words = (section.find("simulcast") or "").split()
    streams = next((text for way, text in zip(words[::2], words[1::2], strict=False) if way == "send"), "")
    rids = [stream.split(",")[0].removeprefix("~") for stream in streams.split(";") if stream]
    if len(rids) > limits.SIMULCAST_LAYERS:
        raise PeerLimit(f"more than {limits.SIMULCAST_LAYERS} simulcast encodings")
    if not declared.issuperset(rids) or len(set(rids)) != len(rids):
        raise Malformed("a=simulcast names an encoding that has no a=rid, or one twice")
    return tuple(rids)
