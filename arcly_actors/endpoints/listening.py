"""How an endpoint listens for TCP connections."""

import ssl
from collections.abc import Callable, Sequence

from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.listener import Listener
from arcly_actors.transport.wire import Wire


def listening(
    system: System,
    addresses: Sequence[Address],
    handover: Callable[[Wire], None],
    *,
    budget: Budget,
    complaints: ComplaintLog,
    tls: ssl.SSLContext | None,
    on_listener: Callable[[Ref], None],
) -> Callable[[], Ref]:
    """What a child specification starts: a listener, of which `on_listener` is told, each time.

    A restarted one comes back where its clients know it, also if the system chose the port.
    """
    wanted = list(addresses)

    def bound(found: Sequence[Address]) -> None:
        wanted[:] = found

    def start() -> Ref:
        listener = Listener.start(
            system, wanted, handover, budget=budget, complain=complaints.turned_away, tls=tls, on_bound=bound
        )
        on_listener(listener)
        return listener

    return start
