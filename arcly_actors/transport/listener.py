"""`Listener`: an actor that accepts connections for one endpoint."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arcly_actors import limits
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.transport.acceptor import Acceptor
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget, Complaint, Complaints, Permit
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class WhereBound:
    """Ask for the addresses listened on, with the ports that were chosen: ``tuple[Address, ...]``."""


class Listener(LoopActor):
    """Listens while it lives; connections outlive it.

    `handover(wire)` is called on the loop for every connection that stands (TLS done): it starts a `Connection` for the
    wire and its session. Reading is off until that attaches, and the wire closes itself if nothing does. `complain`
    hears, at a bounded rate, of connections that did not come to be; `on_bound` hears which ports were chosen.
    """

    def __init__(
        self,
        system: System,
        addresses: Sequence[Address],
        handover: Callable[[Wire], None],
        *,
        budget: Budget,
        complain: Callable[[Complaint], None],
        tls: ssl.SSLContext | None = None,
        tls_timeout: int = limits.TLS_HANDSHAKE_TIMEOUT,
        on_bound: Callable[[Sequence[Address]], None] | None = None,
    ) -> None:
        super().__init__(system)
        self._on_bound = on_bound
        self._handover = handover
        self.complaints = Complaints(system.clock, complain)
        self._acceptor = Acceptor(
            system.loop,
            addresses,
            self._wire,
            budget=budget,
            complaints=self.complaints,
            tls=tls,
            tls_timeout=tls_timeout,
            seams=system.seams,
        )

    def on_start(self) -> None:
        """Bind and accept; ConfigurationError (the actor's failure) when an address cannot be had."""
        self._acceptor.bind()
        if self._on_bound is not None:
            self._on_bound(self._acceptor.bound)
        self._acceptor.start()

    def on_stop(self) -> None:
        """Listen no more."""
        self._acceptor.close()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """As `on_stop`: the restarted listener needs the address."""
        self._acceptor.close()

    @receives(WhereBound)
    def on_where_bound(self, _message: WhereBound) -> tuple[Address, ...]:
        """See `WhereBound`."""
        return self._acceptor.bound

    def _wire(self, permit: Permit) -> Wire:
        wire = Wire(self.system.loop, self._made, permit.release)
        wire.refused = permit.refused
        return wire

    def _made(self, wire: Wire) -> None:
        try:
            self._handover(wire)
        except Exception as error:  # noqa: BLE001 - one connection that cannot be started must not end all others
            wire.abort()
            self.complaints.add(self._acceptor.bound[0], "handover", repr(error), wire.peer)
