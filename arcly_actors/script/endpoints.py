"""Which endpoint a connection came to, by where it was accepted."""

from typing import TYPE_CHECKING

from arcly_actors.runtime.seams import Place

if TYPE_CHECKING:
    from arcly_actors.engine import Engine


_OVER_TCP = ("rtmp", "rtmps", "rtsp", "rtsps", "http")
"""The others' ports are UDP's, and may have the same numbers."""


def endpoint_at(engine: "Engine", at: Place) -> str:
    """The name of the endpoint that listens there, also while the engine starts; ``tcp`` when none does."""
    bound, listeners = engine.addresses, engine.topology.endpoints.listeners()
    for name in _OVER_TCP:
        if any(address.port == at[1] for address in bound.get(name, ())):
            return name
    return next((name for name in _OVER_TCP if name in listeners and listeners[name].port == at[1]), "tcp")
