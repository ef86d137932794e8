"""A whole server on this loop, on ports of the system's choosing, with a record of its events and its log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pykka

from arcly_actors.bus.events import Event
from arcly_actors.engine import Engine
from arcly_actors.media.codec import Kind
from arcly_actors.runtime.receiver import Crash
from arcly_actors.topology import Topology
from tests.support.waiting import Noticing, until
from tests.support.wires import connect

E = TypeVar("E")


class Injected(Exception):
    """A defect that a test put in."""


class Live(Noticing):
    """The server under test."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.seen: list[Event] = []
        self.log: list[str] = []

    def __repr__(self) -> str:
        return f"events: {self.seen[-8:]}; log: {self.log[-8:]}"

    def port(self, endpoint: str) -> int:
        """The port of an endpoint."""
        return self.engine.addresses[endpoint][0].port

    def rtmp(self, path: str = "live/cam", endpoint: str = "rtmp") -> str:
        """An RTMP(S) address."""
        return f"{endpoint}://127.0.0.1:{self.port(endpoint)}/{path}"

    def rtsp(self, path: str = "live/cam", endpoint: str = "rtsp", user: str = "") -> str:
        """An RTSP(S) address; `user` is ``name:password``."""
        return f"{endpoint}://{f'{user}@' if user else ''}127.0.0.1:{self.port(endpoint)}/{path}"

    def http(self, path: str) -> str:
        """An HTTP address."""
        return f"http://127.0.0.1:{self.port('http')}/{path}"

    def flv(self, path: str = "live/cam") -> str:
        """A stream as HTTP-FLV."""
        return self.http(f"{path}.flv")

    def hls(self, path: str = "live/cam") -> str:
        """A stream as HLS."""
        return self.http(f"{path}/index.m3u8")

    def take(self, event: Event) -> None:
        """Note an event."""
        self.seen.append(event)
        self.notice()

    def events(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.seen if isinstance(event, kind)]

    async def event(self, kind: type[E], number: int = 1, within: float = 10.0) -> E:
        """The first (`number`-th) event of a kind, as soon as it has come."""
        await self.until(lambda: len(self.events(kind)) >= number, within)
        return self.events(kind)[number - 1]

    def seats(self, protocol: str = "") -> int:
        """How many viewers there are, of one protocol or all."""
        return sum(seat.protocol.startswith(protocol) for report in self.engine.streams() for seat in report.seats)

    async def settled(self, within: float = 20.0) -> None:
        """Return when no connection has an actor any more."""
        await until(lambda: not self.actors("RtmpSession", "RtspSession", "HttpStreamSession", "Connection"), within)

    async def until_pictures(self, count: int) -> None:
        """Return when the only stream has had so many pictures; they are counted by its own feed from its log."""
        await until(lambda: self.logged_pictures() >= count)

    def logged_pictures(self) -> int:
        """Pictures in the log of the only stream."""
        bus = self.engine._running.bus
        (entry,) = bus._entries.values()
        log = entry.channel.log
        return sum(log[at].frame.track.kind is Kind.VIDEO for at in range(log.tail, log.head))

    def actors(self, *names: str) -> list[pykka.ActorRef[Any]]:
        """The running actors of these classes, or of all."""
        return [ref for ref in pykka.ActorRegistry.get_all() if not names or ref.actor_class.__name__ in names]

    def crash(self, name: str, protocol: str = "", *, endpoint: str = "", everyone: bool = False) -> None:
        """Inject a failure into the one actor of a class (serving a protocol), or every one: as if a task had raised.

        Of listeners there are several: `endpoint` says which.
        """
        others = {ref.actor_urn for key, ref in self.engine._running.listeners.items() if key != endpoint}
        refs = [ref for ref in self.actors(name) if not endpoint or ref.actor_urn not in others]
        inboxes: list[Any] = [ref.actor_inbox for ref in refs]
        chosen = [inbox for inbox in inboxes if not protocol or inbox.actor._viewing.protocol == protocol]
        assert chosen, name
        assert everyone or len(chosen) == 1, chosen
        for inbox in chosen:
            inbox.urgent(Crash(Injected(name)))

    async def until_live(self, seats: int) -> None:
        """Return when the only stream has its publisher and so many viewers."""
        await until(lambda: [(each.state, len(each.seats)) for each in self.engine.streams()] == [("live", seats)])

    async def until_listening(self, port: int, within: float = 10.0) -> None:
        """Return when the port takes connections."""
        async with asyncio.timeout(within):
            while True:
                try:
                    (await connect(port)).close()
                except ConnectionRefusedError:
                    await asyncio.sleep(0)
                else:
                    return

    def lines(self, *words: str) -> list[str]:
        """The log lines (warnings and worse) that hold every one of these words."""
        return [line for line in self.log if all(word in line for word in words)]


class _Log(logging.Handler):
    def __init__(self, server: Live) -> None:
        super().__init__(logging.WARNING)
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        self._server.log.append(record.getMessage())
        self._server.notice()


ANYWHERE: Mapping[str, Any] = {
    "rtmp": {"listen": "127.0.0.1:0"},
    "rtsp": {"listen": "127.0.0.1:0", "udp_ports": {"rtp": 0, "rtcp": 0}},
    "http": {"listen": "127.0.0.1:0"},
    "webrtc": {"listen": "127.0.0.1:0"},
    "srt": {"listen": "127.0.0.1:0"},
}


@contextlib.asynccontextmanager
async def live(
    *,
    tls: tuple[Path, Path] | None = None,
    applications: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    webrtc: Mapping[str, Any] = MappingProxyType({}),
    rtsp: Mapping[str, Any] = MappingProxyType({}),
    endpoints: Mapping[str, Any] | None = None,
    sources: Sequence[Mapping[str, Any]] = (),
    sinks: Sequence[Mapping[str, Any]] = (),
    **application: Any,
) -> AsyncIterator[Live]:
    """A server with the application ``live`` (`application` are its settings), and RTMPS and RTSPS with a certificate.
    `webrtc` and `rtsp` are what these endpoints have besides their addresses.

    When it has ended, no actor is left.
    """
    endpoints = dict(endpoints or ANYWHERE)
    for section, settings in (("webrtc", webrtc), ("rtsp", rtsp)):
        endpoints[section] = {**endpoints.get(section, ANYWHERE[section]), **settings}
    endpoints.setdefault("srt", ANYWHERE["srt"])
    if tls is not None:
        for name in ("rtmps", "rtsps"):
            endpoints[name] = {"listen": "127.0.0.1:0", "tls": {"certificate": str(tls[0]), "key": str(tls[1])}}
    topology = Topology.model_validate(
        {
            "applications": applications or {"live": application},
            "endpoints": endpoints,
            "limits": limits or {},
            "sources": sources,
            "sinks": sinks,
            "supervision": {"backoff": {"first": "10ms", "max": "100ms"}},
        }
    )
    engine = Engine(topology)
    server = Live(engine)
    log = _Log(server)
    watching = engine.events.observable.subscribe(server.take)
    logging.getLogger().addHandler(log)
    try:
        async with engine:
            system = engine._running.system
            yield server
    finally:
        logging.getLogger().removeHandler(log)
        watching.dispose()
    try:
        await until(lambda: not system.actors(), 15.0)  # threads (HLS muxers, FFmpeg) end when they get to it
    except TimeoutError:
        raise AssertionError(f"these actors are left: {system.actors()}") from None
