"""`FaultyStream`: a connection whose faults are asked for."""

import asyncio
from typing import Any

from arcly_actors.script.faulty_ways import Way
from arcly_actors.transport.addresses import Address


class FaultyStream(asyncio.Protocol):
    """Stands before a connection's protocol: what comes in is late or late again; it can be broken."""

    def __init__(self, inner: asyncio.Protocol, way: Way) -> None:
        self._inner = inner
        self.way = way
        self._transport: Any = None  # uvloop's are no `asyncio.Transport` by class
        self.over = False
        self.learns = True
        self.peer = ""

    @property
    def names(self) -> tuple[str, ...]:
        """See `Met`."""
        return self.way.names

    @names.setter
    def names(self, names: tuple[str, ...]) -> None:
        """See `Met`."""
        self.way.names = names

    @property
    def stands(self) -> bool:
        """See `Met.stands`."""
        return self._transport is not None and not self._transport.is_closing()

    def sever(self) -> None:
        """See `Met.sever`."""
        self.way.drop()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = transport
        self.peer = str(Address.of_peer(transport.get_extra_info("peername")))
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.way.come(lambda: self._inner.data_received(data))

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`: True keeps the transport open until what came before has been heard."""
        if self._transport.get_extra_info("sslcontext") is not None:
            self.way.flush()
            return self._inner.eof_received()

        def finished() -> None:
            if not self._inner.eof_received() and not self._transport.is_closing():
                self._transport.close()

        self.way.come(finished, sure=True)
        return True

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.way.flush()
        self._transport = None
        self.over = True
        self._inner.connection_lost(exc)
