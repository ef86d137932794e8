"""What HTTP says when the answer is no: one table from refusals to statuses (RFC 9110 §15)."""

from types import MappingProxyType

from aiohttp import hdrs, web

from arcly_actors.errors import Refusal, Refused

STATUS = MappingProxyType(
    {
        Refusal.BAD_REQUEST: 400,
        Refusal.UNAUTHORISED: 401,
        Refusal.UNKNOWN_APPLICATION: 404,
        Refusal.NOT_FOUND: 404,
        Refusal.ENDED: 404,
        Refusal.UNSUPPORTED: 406,
        Refusal.BUSY: 409,
        Refusal.LAGGED: 503,
        Refusal.LIMIT: 503,
        Refusal.SHUTTING_DOWN: 503,
        Refusal.FAILED: 503,
    }
)

_RETRY_SECONDS = "2"


def refusal(refused: Refused) -> web.Response:
    """The response to a declined request: its status, and the reason as text."""
    status = STATUS[refused.refusal]
    headers = {hdrs.CACHE_CONTROL: "no-cache"}
    if status == 503:
        headers[hdrs.RETRY_AFTER] = _RETRY_SECONDS
    return web.Response(status=status, text=f"{refused.detail}\n", headers=headers)
