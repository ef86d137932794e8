"""Errors: one family, and each class says whose fault it is.

- `PeerViolation`: the peer's bytes are wrong (`Malformed`) or want too much (`PeerLimit`). The connection ends.
- `Refused`: the peer asked properly and the answer is no; `Refusal` is the reason that each protocol puts into its own
  status (an RTMP ``onStatus`` code, an HTTP status).
- `ConfigurationError`: the operator's or the embedding program's to mend.

Anything else that escapes is a defect of ours and goes to a supervisor.
"""

from enum import StrEnum


class ArclyError(Exception):
    """The root of every error this package raises on purpose."""


class PeerViolation(ArclyError):
    """The peer broke its protocol; `code` is what goes on the wire where the protocol has a place for it."""

    def __init__(self, message: str, *, code: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Malformed(PeerViolation):
    """Bytes from the peer that no reading of the specification allows."""


class PeerLimit(PeerViolation):
    """The peer's input is well formed and larger than a bound in `limits` lets it be."""


class ConfigurationError(ArclyError):
    """A value that the operator or the embedding program gave cannot work; the text says which and what would."""


class AddressUnavailable(ConfigurationError):
    """`address` (host:port) cannot be listened on, because of `reason`: another program has it, or it is not ours."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address}: {reason}")
        self.address = address
        self.reason = reason


class Refusal(StrEnum):
    """Why a proper request is declined. Each protocol maps these onto its own statuses in one table."""

    BAD_REQUEST = "bad-request"
    UNKNOWN_APPLICATION = "unknown-application"
    NOT_FOUND = "not-found"
    BUSY = "busy"
    LIMIT = "limit"
    UNSUPPORTED = "unsupported"
    UNAUTHORISED = "unauthorised"
    LAGGED = "lagged"
    ENDED = "ended"
    SHUTTING_DOWN = "shutting-down"
    FAILED = "failed"


class Refused(ArclyError):
    """A declined request: `refusal` is for programs, the text is for the person who reads it."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.refusal = refusal
        self.detail = detail
