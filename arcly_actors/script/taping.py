"""`Taping`: what `Engine.tape` gives; a tape with a file, or a reader, at its end."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from arcly_actors import limits
from arcly_actors.bus.events import TapeEnded, TapeStarted
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_S
from arcly_actors.endpoints.mpegts import PROGRAM
from arcly_actors.script.endpoints import endpoint_at
from arcly_actors.script.record import Head, Record
from arcly_actors.script.tape import FULL, Tape
from arcly_actors.script.write import head_line, open_for_owner, record_line
from arcly_actors.topology.build import Build
from arcly_actors.transport.addresses import Address
from arcly_actors.version import VERSION

if TYPE_CHECKING:
    from arcly_actors.engine import Engine

_GATHER = 0.25
"""Seconds between two writes to a file: one thread's work, not one for each packet."""


class Taping:
    """See `Engine.tape`. `head` is the script's head, `lost` why the tape ended by itself (else empty).

    `ended` is set when nothing is recorded any more.
    """

    def __init__(
        self,
        running: Build,
        engine: "Engine",
        key: StreamKey | None,
        path: str | PathLike[str] | None,
        *,
        payload: bool,
        size: int,
        provenance: Mapping[str, str],
    ) -> None:
        self._engine = engine
        self._running = running
        self._virtual = running.system.virtual
        self._path = Path(path) if path is not None else None
        self._named = (str(key) if key is not None else "*", str(path) if path is not None else "a reader")
        self._provenance = provenance
        self._records: deque[Record] = deque()
        self._backlog = 0
        self._changed = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._most = size
        self._written = 0
        self._reason = ""
        self.ended = asyncio.Event()
        feeds = {feed.name: feed.key for feed in engine.topology.endpoints.feeds()}
        self._tape = Tape(
            running.system,
            running.bus,
            engine.events,
            partial(endpoint_at, engine),
            self,
            key=key,
            payload=payload,
            size=size,
            live=engine.clock,
            belongs=partial(_belongs, feeds, str(key)) if key is not None else None,
        )
        self.head: Head

    @property
    def lost(self) -> str:
        """Why it ended by itself."""
        return self._tape.lost

    @property
    def ignored(self) -> int:
        """Connections that turned out to belong to other streams."""
        return self._tape.ignored

    async def __aenter__(self) -> Self:
        """Begin. Raises OSError when the file cannot be made."""
        topology = self._engine.topology.model_dump(mode="json")
        topology = _with_ports(topology, self._engine.addresses.get("rtsp-udp", ()))
        self.head = self._tape.head(
            _without_files(topology), {"recorded_by": f"arcly_actors {VERSION}", **self._provenance}
        )
        if self._path is not None:
            opened = open_for_owner(self._path)
            self._written = opened.write(head_line(self.head))
            self._writing = asyncio.ensure_future(self._write(opened))
        self._engine.events.emit(TapeStarted(*self._named))
        self._tape.start(self._engine.drawn)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and write what there is. Raises OSError when that cannot be done."""
        self.stop()
        if self._writing is not None:
            await self._writing
        self._engine.events.emit(TapeEnded(*self._named, self._written, self.lost or self._reason))

    async def __aiter__(self) -> AsyncIterator[Record]:
        async for record in self.as_written():
            for each in record.each() if "also" in record.fields else (record,):
                yield each

    async def as_written(self) -> AsyncIterator[Record]:
        """The records as a file has them: one for what several connections were sent."""
        while not self.ended.is_set() or self._records:
            await self._changed.wait()
            self._changed.clear()
            for record in self._taken():
                yield record

    def stop(self, reason: str = "") -> None:
        """Record no more; who reads gets what there is, then the end."""
        if not self.ended.is_set():
            self._reason = reason
            self._tape.stop(reason)
            self._end()

    def take(self, records: list[Record]) -> None:
        """See `Sink`."""
        self._records += records
        self._backlog += sum(len(record.data or b"") for record in records)
        if self._backlog > limits.TAPE_BACKLOG:
            self._tape.give_up("who reads the tape is too slow")
        if not self._tape.running:
            self._end()
        self._changed.set()

    def _end(self) -> None:
        self.ended.set()
        self._changed.set()

    def _taken(self) -> list[Record]:
        taken = list(self._records)
        self._records.clear()
        self._backlog = 0
        return taken

    async def _write(self, opened: BinaryIO) -> None:
        def write(taken: list[Record]) -> bool:
            """Whether all of it fitted; the end is always written."""
            for record in taken:
                line = record_line(record)
                if self._written + len(line) > self._most and record.kind != "end":
                    self._most = 0
                    continue
                self._written += opened.write(line)
            opened.flush()
            return self._most > 0

        try:
            while not self.ended.is_set() or self._records:
                await self._changed.wait()
                if not self.ended.is_set():
                    await asyncio.sleep(_GATHER)
                self._changed.clear()
                if not await self._offloaded(write, self._taken()):
                    self._tape.give_up(FULL)
                if self.ended.is_set():
                    self._changed.set()
        except OSError as error:
            self._tape.give_up(f"it cannot be written: {error.strerror or error}")
            self._records.clear()
            raise
        finally:
            opened.close()

    async def _offloaded(self, write: Any, taken: list[Record]) -> bool:
        fitted: bool = write(taken) if self._virtual else await asyncio.to_thread(write, taken)
        return fitted


async def lines(taping: Taping, duration_ns: int | None = None) -> AsyncGenerator[bytes, None]:
    """A script as it is being recorded, line by line, for `duration_ns` or until the reader has enough."""
    async with taping:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(duration_ns / NS_PER_S, taping.stop) if duration_ns is not None else None
        try:
            yield head_line(taping.head)
            async for record in taping.as_written():
                yield record_line(record)
        finally:
            if timer is not None:
                timer.cancel()


def _belongs(feeds: Mapping[str, str], key: str, on: str) -> bool | None:
    """Whether a feed is the stream `key`, or may be one of its programmes; None for what is no feed."""
    if on not in feeds:
        return None
    before, program, after = feeds[on].partition(PROGRAM)
    if not program:
        return feeds[on] == key
    number = key.removeprefix(before).removesuffix(after)
    return key == f"{before}{number}{after}" and number.isdecimal()


def _with_ports(topology: dict[str, Any], bound: Sequence[Address]) -> dict[str, Any]:
    """With the UDP ports that the system chose, which RTSP tells its clients."""
    if len(bound) != 2:
        return topology
    rtsp = {**topology["endpoints"]["rtsp"], "udp_ports": {"rtp": bound[0].port, "rtcp": bound[1].port}}
    return {**topology, "endpoints": {**topology["endpoints"], "rtsp": rtsp}}


def _without_files(topology: dict[str, Any]) -> dict[str, Any]:
    """What a replay can build anywhere: no certificates, nothing that dials or writes, no secrets of either."""
    endpoints = {name: section for name, section in topology["endpoints"].items() if name not in ("rtmps", "rtsps")}
    endpoints["http"] = {**endpoints["http"], "tls": None}
    return {**topology, "endpoints": endpoints, "sources": [], "sinks": [], "record": [], "faults": []}
