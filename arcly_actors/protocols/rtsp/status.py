"""Status codes (RFC 2326 §7.1.1), and which refusal is which.

FFmpeg and GStreamer fail on any code from 400 on and show its reason; both try again with credentials after 401, and
FFmpeg tries the next transport after 461.
"""

from types import MappingProxyType

from arcly_actors.errors import Refusal

OK = 200
BAD_REQUEST = 400
UNAUTHORISED = 401
FORBIDDEN = 403
NOT_FOUND = 404
NOT_ACCEPTABLE = 406
UNSUPPORTED_MEDIA = 415
PARAMETER_NOT_UNDERSTOOD = 451
SESSION_NOT_FOUND = 454
WRONG_STATE = 455
AGGREGATE_NOT_ALLOWED = 459
UNSUPPORTED_TRANSPORT = 461
NOT_IMPLEMENTED = 501
WRONG_VERSION = 505
OPTION_NOT_SUPPORTED = 551

REASONS = MappingProxyType(
    {
        200: "OK",
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        406: "Not Acceptable",
        409: "Conflict",
        413: "Request Entity Too Large",
        415: "Unsupported Media Type",
        451: "Parameter Not Understood",
        453: "Not Enough Bandwidth",
        454: "Session Not Found",
        455: "Method Not Valid in This State",
        459: "Aggregate Operation Not Allowed",
        461: "Unsupported Transport",
        500: "Internal Server Error",
        501: "Not Implemented",
        503: "Service Unavailable",
        505: "RTSP Version Not Supported",
        551: "Option not supported",
    }
)

REFUSALS = MappingProxyType(
    {
        Refusal.BAD_REQUEST: 400,
        Refusal.UNKNOWN_APPLICATION: 404,
        Refusal.NOT_FOUND: 404,
        Refusal.BUSY: 409,
        Refusal.LIMIT: 503,
        Refusal.UNSUPPORTED: 415,
        Refusal.UNAUTHORISED: 403,
        Refusal.LAGGED: 453,
        Refusal.ENDED: 404,
        Refusal.SHUTTING_DOWN: 503,
        Refusal.FAILED: 500,
    }
)

_MEANINGS = MappingProxyType(
    {
        400: Refusal.BAD_REQUEST,
        401: Refusal.UNAUTHORISED,
        403: Refusal.UNAUTHORISED,
        404: Refusal.NOT_FOUND,
        406: Refusal.UNSUPPORTED,
        409: Refusal.BUSY,
        415: Refusal.UNSUPPORTED,
        453: Refusal.LIMIT,
        461: Refusal.UNSUPPORTED,
        503: Refusal.LIMIT,
    }
)


def meaning(status: int) -> Refusal:
    """What a server's answer says to a client."""
    return _MEANINGS.get(status, Refusal.FAILED)
