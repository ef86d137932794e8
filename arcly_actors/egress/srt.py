"""SRT as the way to a viewer or a target: an MPEG-TS byte stream, cut into packets, on one connection of a port."""

from collections.abc import Callable
from typing import Any

from arcly_actors import limits
from arcly_actors.transport.datagram_link import DatagramLink


class Cutter:
    """Cuts what is written into payloads, once for all viewers that are given the very same bytes one after another."""

    __slots__ = ("_data", "_payloads")

    def __init__(self) -> None:
        self._data = b""
        self._payloads: tuple[bytes, ...] = ()

    def cut(self, data: bytes) -> tuple[bytes, ...]:
        """Payloads of seven TS packets; the last one may have fewer."""
        if data is not self._data:
            size = limits.SRT_PAYLOAD
            self._data = data
            self._payloads = tuple(data[start : start + size] for start in range(0, len(data), size))
        return self._payloads


class SrtOutlet:
    """The outlet (see `transport.outlet`) of one connection. Its owner passes on that the engine is `drained`."""

    __slots__ = ("_cutter", "_link", "_send", "_soon", "_waiting", "direct")

    crowd = None

    def __init__(self, link: DatagramLink, cutter: Cutter, soon: Callable[..., Any]) -> None:
        self.direct = -1
        self._link = link
        self._send = link.send
        self._cutter = cutter
        self._soon = soon
        self._waiting: list[Callable[[], None]] = []

    @property
    def pending(self) -> int:
        """Payload bytes that wait for the peer's window, or for their turn."""
        return self._link.engine.pending if self._link.ended is None else 0

    @property
    def closed(self) -> bool:
        """The connection is over."""
        return self._link.ended is not None

    def write(self, data: bytes) -> None:
        """See `Outlet.write`."""
        self._send(self._cutter.cut(data))

    def when_writable(self, callback: Callable[[], None]) -> None:
        """See `Outlet.when_writable`."""
        if self.pending:
            self._waiting.append(callback)
        else:
            self._soon(callback)

    def drained(self) -> None:
        """Nothing is pending any more, or the connection is over."""
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            self._soon(callback)
