"""Who made a request."""

from aiohttp import web


def peer_of(request: web.Request) -> str:
    """The client's ``host:port``, ``?`` when it has gone."""
    address = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"{address[0]}:{address[1]}" if address else "?"
