"""The lite side of one ICE session (RFC 8445 §2.5): it answers checks and never sends any.

Nothing is learnt from and nothing is sent to whoever does not have the session's password: a datagram without valid
integrity is ignored, so the port cannot be made to reflect. Media goes to the path that the peer selected
(USE-CANDIDATE), until then to the first that it validated; it moves only with an authenticated check from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import PeerViolation
from arcly_actors.protocols.webrtc import stun
from arcly_actors.protocols.webrtc.consent import Consent
from arcly_actors.protocols.webrtc.stun import Address, Attribute, Kind, StunMessage

_ROLE_CONFLICT = stun.error_code(487, "Role Conflict")


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """User name fragment and password of one side (RFC 8839 §5.4)."""

    ufrag: str
    pwd: str


class Ignored(StrEnum):
    """Why a datagram had no effect and no answer."""

    MALFORMED = "malformed"
    NOT_A_REQUEST = "not-a-request"
    WRONG_USER = "wrong-user"
    NOT_AUTHENTIC = "not-authentic"


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a datagram. `validated`: its source is the peer's; `selected`: the peer nominates it; `moved`: media
    goes there from now on. `reply` goes back to where the request came from."""

    reply: bytes | None = None
    validated: bool = False
    selected: bool = False
    moved: bool = False
    ignored: Ignored | None = None


class IceLite:
    """One session. `now` is monotonic ns; `opened` is when the answer went out, from which consent runs."""

    def __init__(self, local: IceCredentials, remote: IceCredentials, opened: int) -> None:
        self.local = local
        self._remotes: dict[str, tuple[IceCredentials, IceCredentials]] = {local.ufrag: (local, remote)}
        self._heard = opened
        self._paths: dict[Address, int] = {}
        self.path: Address | None = None
        self._last: Consent | None = None

    @property
    def paths(self) -> Mapping[Address, int]:
        """The validated addresses of the peer and when each was last checked."""
        return MappingProxyType(self._paths)

    @property
    def expires(self) -> int:
        """When the peer's consent ends unless it checks again (RFC 7675 §5.1)."""
        return self._heard + limits.ICE_CONSENT

    def expired(self, now: int) -> bool:
        """Whether nothing may be sent any more."""
        return now >= self.expires

    def restart(self, local: IceCredentials, remote: IceCredentials) -> None:
        """New credentials (RFC 8445 §9). Media stays on its path, and the old ones count, until a check with the new."""
        if local.ufrag in self._remotes:
            raise ValueError("a restart needs a new user name fragment")
        self._remotes = {self.local.ufrag: self._remotes[self.local.ufrag], local.ufrag: (local, remote)}
        self.local = local
        self._last = None

    def again(self, datagram: bytes, source: Address, now: int) -> bytes | None:
        """The answer to a check that is the last good one but for its transaction; None for any other: `receive` it."""
        consent = self._last
        answer = consent.answer(datagram, source) if consent is not None else None
        if answer is not None and consent is not None:
            self._note(source, now, selected=consent.selected)
        return answer

    def receive(self, datagram: bytes, source: Address, now: int) -> Check:
        """Take a datagram that looks like STUN. Never raises on what a peer sends."""
        try:
            message = stun.parse(datagram)
        except PeerViolation:
            return Check(ignored=Ignored.MALFORMED)
        if message.kind is not Kind.REQUEST or message.method != stun.BINDING:
            return Check(ignored=Ignored.NOT_A_REQUEST)
        ours, theirs = stun.user_of(message) or ("", "")
        local, remote = self._remotes.get(ours, (None, None))
        if local is None or remote is None or remote.ufrag != theirs:
            return Check(ignored=Ignored.WRONG_USER)
        if not stun.authentic(datagram, message, local.pwd):
            return Check(ignored=Ignored.NOT_AUTHENTIC)
        check = self._answered(message, local, source, now)
        if check.validated and local is self.local:
            self._last = Consent(datagram, source, local.pwd, selected=check.selected)
        return check

    def _answered(self, message: StunMessage, local: IceCredentials, source: Address, now: int) -> Check:
        """RFC 8445 §7.3 for a check that is the peer's."""
        if unknown := message.not_understood():
            attributes = (stun.error_code(420, "Unknown Attribute"), stun.unknown_attributes(unknown))
            return Check(_reply(message, Kind.ERROR, attributes, local))
        if message.find(Attribute.ICE_CONTROLLED) is not None:
            # §7.3.1.1: the lite side is always the controlled one, so the peer has to change its mind.
            return Check(_reply(message, Kind.ERROR, (_ROLE_CONFLICT,), local))
        if local is self.local and len(self._remotes) > 1:
            self._remotes = {local.ufrag: self._remotes[local.ufrag]}
        selected = message.find(Attribute.USE_CANDIDATE) is not None
        moved = self._note(source, now, selected=selected)
        return Check(_success(message.transaction, source, local), True, selected, moved)

    def _note(self, source: Address, now: int, *, selected: bool) -> bool:
        """Remember a validated path; True when media moves to it."""
        self._heard = max(self._heard, now)
        self._paths.pop(source, None)
        self._paths[source] = now
        before = self.path
        if selected or before is None:
            self.path = source
        if len(self._paths) > limits.ICE_PATHS:
            del self._paths[next(address for address in self._paths if address != self.path)]
        return self.path != before


def ufrag_of(datagram: bytes) -> str | None:
    """Whose session a check is for: the first half of its USERNAME; None when it is no binding request with one."""
    try:
        message = stun.parse(datagram)
    except PeerViolation:
        return None
    if message.kind is not Kind.REQUEST or message.method != stun.BINDING:
        return None
    user = stun.user_of(message)
    return user[0] if user else None


def check_request(
    local: IceCredentials,
    remote: IceCredentials,
    transaction: bytes,
    *,
    priority: int = 1853824767,
    tie_breaker: int = 0,
    nominate: bool = False,
) -> bytes:
    """The check of a controlling full agent (RFC 8445 §7.2.2), for clients. `transaction` is 12 random bytes."""
    attributes = [
        (Attribute.USERNAME, f"{remote.ufrag}:{local.ufrag}".encode()),
        (Attribute.PRIORITY, priority.to_bytes(4)),
        (Attribute.ICE_CONTROLLING, tie_breaker.to_bytes(8)),
    ]
    if nominate:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    return stun.build(StunMessage(Kind.REQUEST, transaction, tuple(attributes)), remote.pwd)


def _reply(request: StunMessage, kind: Kind, attributes: tuple[tuple[int, bytes], ...], local: IceCredentials) -> bytes:
    return stun.build(StunMessage(kind, request.transaction, attributes), local.pwd)


def _success(transaction: bytes, source: Address, local: IceCredentials) -> bytes:
    mapped = (Attribute.XOR_MAPPED_ADDRESS, stun.mapped_address(source, transaction))
    return stun.build(StunMessage(Kind.SUCCESS, transaction, (mapped,)), local.pwd)
