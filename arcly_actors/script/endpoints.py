"""Which endpoint a connection came to, by where it was accepted."""

from typing import TYPE_CHECKING

from arcly_actors.runtime.seams import Place

if TYPE_CHECKING:
    from arcly_actors.engine import Engine


def endpoint_at(engine: "Engine", at: Place) -> str:
    """The name of the endpoint that listens there, also while the engine starts; ``tcp`` when none does."""
    for name, addresses in engine.addresses.items():
        if any(address.port == at[1] for address in addresses):
            return name
    listeners = engine.topology.endpoints.listeners()
    return next((name for name, address in listeners.items() if address.port == at[1]), "tcp")
