"""A small RTMP server for pushes to go to and pulls to come from, on a port of the system's choosing."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import cast

from arcly_actors.protocols.rtmp.events import MediaReceived, MetadataReceived, ServerEvent
from arcly_actors.protocols.rtmp.server import RtmpServer
from tests.support.rtmp import Served, Session, agree
from tests.support.waiting import Noticing


class Connection(asyncio.Protocol):
    """One connection of the target."""

    def __init__(self, target: "Target") -> None:
        self._target = target
        self.transport: asyncio.Transport
        self.served = Served(RtmpServer(b"seed"), target.session)
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self._target.connections.append(self)
        self._target.notice()

    def data_received(self, data: bytes) -> None:
        self.served.receive(data)
        self.flush()
        self._target.notice()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._target.notice()

    def flush(self) -> None:
        """Send what the engine has to say."""
        sent, self.served.sent = bytes(self.served.sent), bytearray()
        self.transport.write(sent)
        if self.served.hangup is not None:
            self.transport.close()

    def stop_reading(self) -> None:
        """The peer's bytes pile up at its end."""
        self.transport.pause_reading()

    def of(self, kind: type) -> list[ServerEvent]:
        """The events of one kind so far."""
        return [event for event in self.served.events if isinstance(event, kind)]

    @property
    def pictures(self) -> list[MediaReceived]:
        """The video messages, configurations left out."""
        video = [event for event in self.served.media() if event.kind == "video"]
        return [event for event in video if event.body[1] != 0]

    @property
    def metadata(self) -> list[MetadataReceived]:
        """What onMetaData said."""
        return [event for event in self.served.events if isinstance(event, MetadataReceived)]


class Target(Noticing):
    """The server."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.connections: list[Connection] = []
        self.port = 0

    def __repr__(self) -> str:
        return (
            f"{len(self.connections)} connections, {[connection.served.events[-3:] for connection in self.connections]}"
        )

    def url(self, path: str = "app/key", scheme: str = "rtmp", host: str = "127.0.0.1") -> str:
        """Its address."""
        return f"{scheme}://{host}:{self.port}/{path}"

    async def connection(self, number: int, within: float = 10.0) -> Connection:
        """The `number`-th connection, from 1."""
        await self.until(lambda: len(self.connections) >= number, within)
        return self.connections[number - 1]


@contextlib.asynccontextmanager
async def rtmp_target(
    session: Session = agree, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Target]:
    """A server for the length of a block; then its connections are gone, too."""
    target = Target(session)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(target), "127.0.0.1", port, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        for connection in target.connections:
            connection.transport.abort()
        await asyncio.sleep(0)
