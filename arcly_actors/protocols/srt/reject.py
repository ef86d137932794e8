"""Why a handshake is refused: codes of libsrt (``srt.h``, ``access_control.h``). On the wire they are 1000 more.

Callers of libsrt print them: those below 1000 by name, the others (access control) by number.
"""

from enum import IntEnum

from arcly_actors.errors import PeerViolation, Refusal, Refused

FAILURES = 1000
"""Handshake types from here on are refusals."""


class Reject(IntEnum):
    """A reason."""

    UNKNOWN = 0
    SYSTEM = 1
    PEER = 2
    RESOURCE = 3
    ROGUE = 4
    BACKLOG = 5
    INTERNAL = 6
    CLOSE = 7
    VERSION = 8
    RENDEZVOUS_COOKIE = 9
    BAD_SECRET = 10
    UNSECURE = 11
    MESSAGE_API = 12
    CONGESTION = 13
    FILTER = 14
    GROUP = 15
    TIMEOUT = 16
    CRYPTO = 17
    BAD_REQUEST = 1400
    UNAUTHORISED = 1401
    OVERLOAD = 1402
    FORBIDDEN = 1403
    NOT_FOUND = 1404
    BAD_MODE = 1405
    UNACCEPTABLE = 1406
    CONFLICT = 1409
    UNSUPPORTED_MEDIA = 1415
    LOCKED = 1423
    INTERNAL_SERVER_ERROR = 1500
    UNIMPLEMENTED = 1501
    GATEWAY = 1502
    DOWN = 1503
    NO_ROOM = 1507


REASONS = {
    Reject.PEER: "the peer refused",
    Reject.RESOURCE: "the peer has no resources left",
    Reject.ROGUE: "the handshake was not understood",
    Reject.BACKLOG: "too many connections are being opened",
    Reject.CLOSE: "the peer is shutting down",
    Reject.VERSION: "the version is not spoken there",
    Reject.RENDEZVOUS_COOKIE: "both ends of the rendezvous had the same cookie",
    Reject.BAD_SECRET: "the passphrase is wrong",
    Reject.UNSECURE: "a passphrase is needed by one side and missing at the other",
    Reject.MESSAGE_API: "one side wants a stream and the other messages",
    Reject.CONGESTION: "the other side's transmission type is not live",
    Reject.FILTER: "the packet filters do not agree",
    Reject.GROUP: "there are no groups of connections",
    Reject.TIMEOUT: "there was no answer",
    Reject.BAD_REQUEST: "bad request",
    Reject.UNAUTHORISED: "unauthorised",
    Reject.FORBIDDEN: "forbidden",
    Reject.NOT_FOUND: "not found",
    Reject.BAD_MODE: "the mode is not supported",
    Reject.CONFLICT: "the stream is in use",
}

OF_REFUSAL = {
    Refusal.BAD_REQUEST: Reject.BAD_REQUEST,
    Refusal.UNKNOWN_APPLICATION: Reject.NOT_FOUND,
    Refusal.NOT_FOUND: Reject.NOT_FOUND,
    Refusal.BUSY: Reject.CONFLICT,
    Refusal.LIMIT: Reject.OVERLOAD,
    Refusal.UNSUPPORTED: Reject.UNSUPPORTED_MEDIA,
    Refusal.UNAUTHORISED: Reject.UNAUTHORISED,
    Refusal.LAGGED: Reject.OVERLOAD,
    Refusal.ENDED: Reject.NOT_FOUND,
    Refusal.SHUTTING_DOWN: Reject.CLOSE,
    Refusal.FAILED: Reject.INTERNAL_SERVER_ERROR,
}
"""The one table from the bus's refusals to what an SRT caller is told."""


class Rejected(PeerViolation):
    """The peer declined our handshake, or we have to decline its; `code` is a `Reject` or a number of the peer's own."""

    def __init__(self, code: int, detail: str = "") -> None:
        known = REASONS.get(Reject(code), Reject(code).name.lower()) if code in set(Reject) else "refused"
        self.reason = Reject(code) if code in set(Reject) else Reject.UNKNOWN
        super().__init__(f"{detail or known} (SRT reason {int(code)})", code=int(code))


def code_of(refused: Refused) -> Reject:
    """What an SRT caller is told."""
    return OF_REFUSAL.get(refused.refusal, Reject.UNKNOWN)
