"""A connection with a tape at it: all bytes pass, and each read and write is put down.

Between the socket's transport and the protocol above it, so that it is the same for every protocol over TCP and behind
TLS. The transport that the protocol sees shows no socket, hence nothing is written past the tape.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from arcly_actors.transport.addresses import Address

Put = Callable[..., None]
"""Takes the kind of a record, its payload if it has one, and fields by name."""

Out = Callable[[bytes], None]
"""Takes what was written, of which the kernel took all; of this there is by far the most."""


class Opening(Protocol):
    """Hears when the protocol above a connection is being set up, and when it has been."""

    def __call__(self, *, begun: bool) -> None:
        """See the class."""
        ...


class TapedStream(asyncio.Protocol):
    """Stands before `inner`; `put` writes down, `on_lost` is the end."""

    def __init__(
        self, inner: asyncio.Protocol, put: Put, out: Out, opening: Opening, on_lost: Callable[[], None]
    ) -> None:
        self.inner = inner
        self.put = put
        self.out = out
        self.stalled = False
        self._opening = opening
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.put("open", peer=str(Address.of_peer(peer)), local=str(Address.of_peer(local)))
        self._opening(begun=True)
        try:
            self.inner.connection_made(TapedTransport(transport, self))
        finally:
            self._opening(begun=False)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.put("in", bytes(data))
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        self.put("eof")
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.stalled = True
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.stalled = False
        self.put("drained")
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        failure = {"error": type(exc).__name__, "why": str(exc)} if exc is not None else {}
        self.put("lost", **failure)
        self._on_lost()
        self.inner.connection_lost(exc)


class TapedTransport(asyncio.Transport):
    """What the protocol writes to."""

    def __init__(self, transport: asyncio.BaseTransport, stream: TapedStream) -> None:
        super().__init__()
        self._transport: Any = transport  # uvloop's are no `asyncio.Transport` by class
        self._stream = stream

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`; there is no socket."""
        return default if name == "socket" else self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`: the tape stays where it is."""
        assert isinstance(protocol, asyncio.Protocol)
        self._stream.inner = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._stream.inner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        kept = bytes(data)  # before it leaves: the caller may use a buffer again; of `bytes` this is no copy
        self._transport.write(data)
        if self._stream.stalled:
            self._stream.put("out", kept, left=self._transport.get_write_buffer_size())
        else:
            self._stream.out(kept)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._stream.put("shut")
        self._transport.write_eof()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        if not self._transport.is_closing():
            self._stream.put("shut")
        self._transport.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return bool(self._transport.is_closing())

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return bool(self._transport.is_reading())

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.resume_reading()

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return bool(self._transport.can_write_eof())

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return int(self._transport.get_write_buffer_size())

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        limits: tuple[int, int] = self._transport.get_write_buffer_limits()
        return limits

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.set_write_buffer_limits(high, low)
