"""The stage of a replay: an engine in virtual time, and a script that comes to its doors."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.errors import ArclyError, ConfigurationError, Refused
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.ingest.pull import PullEnded, PullFailed, PullFrames, PullTracks
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime.seams import Place
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.script.far_side import FarSide
from arcly_actors.script.faults import KINDS, crash_one
from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport
from arcly_actors.script.plain import track_of
from arcly_actors.script.read import span
from arcly_actors.script.record import Record, Script, told_by_digest
from arcly_actors.script.taped_dials import CALLER, STALLED
from arcly_actors.script.webrtc import Told
from arcly_actors.transport.addresses import Address

_PLAIN = {"rtmps": "rtmp", "rtsps": "rtsp"}
"""Where connections over TLS come to in a replay: their bytes were recorded decrypted."""


class Stage:
    """Does to an engine what records say, one at a time; see `replay`."""

    def __init__(self, engine: Engine, network: ScriptedNetwork, clock: VirtualClock, script: Script) -> None:
        self._engine = engine
        self._network = network
        self._clock = clock
        self._script = script
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "a stage is in virtual time"
        self._loop = loop
        self._rooms = _rooms(script.records)
        network.peers.told = _told(script)
        self._connections: dict[str, ScriptedTransport] = {}
        self._publishers: dict[str, PublishHandle] = {}
        self._tracks: dict[str, dict[int, Track]] = {}
        self._keys: dict[str, StreamKey] = {}
        self._refused: set[str] = set()
        self._viewers: dict[str, asyncio.Task[None]] = {}
        self._reading: dict[str, asyncio.Event] = {}
        self._peers: dict[str, tuple[str, Address]] = {}
        self._peer_names = peer_names(script.records)
        self.opening = ""
        self.seen: Callable[[str, Mapping[str, Any]], None] = lambda _kind, _fields: None
        self.far = network.far = FarSide(engine, network, script)
        self._steps: dict[str, Callable[[Record], Awaitable[None] | None]] = {
            "open": self._open,
            "in": self._in,
            "datagram": self._datagram,
            "eof": self._eof,
            "lost": self._lost,
            "drained": self._drained,
            "connected": self._connected,
            "rtp-in": self._packet,
            "rtcp-in": self._packet,
            "closed": self._closed,
            "publish": self._publish,
            "tracks": self._announce,
            "send": self._send,
            "unpublish": self._unpublish,
            "view": self._view,
            "leave": self._leave,
            "pause": lambda record: self._reads(record).clear(),
            "resume": lambda record: self._reads(record).set(),
            "crash": self._crash,
            "clock": self._jump,
            "time": self._ring,
            "remote": self._remote,
            "withdrawn": lambda record: self.far.withdraw(record.who),
            "found": self.far.find,
            "unanswered": self.far.refuse,
            "reply": self.far.reply,
            "over": lambda record: self._engine.end_stream(record.fields["key"]),
        }

    async def until(self, at: int, turns: int | None = None, late: int = 0) -> None:
        """Let time pass until `at` ns after the script's beginning; with `turns` only so many turns of the loop.

        The latter for what came while the engine was at work on what came before. What was due in the last `late` ns
        is seen to afterwards.
        """
        if turns is not None:
            for _ in range(turns):
                await asyncio.sleep(0)
        elif late:
            await self._seen_to(self._script.head.monotonic_ns + at - late)
        else:
            await self._pass(self._left(at))
            return
        self._clock.advance(max(0, self._left(at)))
        if late:
            self._loop.waits = True

    async def _pass(self, ns: int) -> None:
        passed = self._loop.create_future()
        if ns > 0 or self._loop.waits:
            self._loop.call_later(max(0, ns) / NS_PER_S, passed.set_result, None)
        else:
            self._loop.call_soon(passed.set_result, None)
        await passed

    async def _seen_to(self, at: int) -> None:
        """Return when all is done that was due until `at` (monotonic ns, perhaps past), and what came of it."""
        passed, idle = self._loop.create_future(), self._loop.create_future()
        self._loop.call_at(at / NS_PER_S, passed.set_result, None)
        await passed
        self._loop.when_idle(partial(idle.set_result, None))
        await idle

    def _left(self, at: int) -> int:
        """How many ns it is until then."""
        return self._script.head.monotonic_ns + at - self._clock.monotonic_ns()

    def only_names(self, record: Record) -> bool:
        """Whether a record says who somebody is and no more: what that one sends has its turn, the record has none."""
        return record.kind == "open" and bool(record.get("udp")) and not self.far.dialled(record.who)

    async def do(self, record: Record) -> None:
        """Have it happen. Raises ScriptError for what cannot."""
        step = self._steps.get(record.kind)
        done = step(record) if step is not None else None
        if done is not None:
            await done

    async def close(self) -> None:
        """Let go of what the script holds."""
        for viewer in self._viewers.values():
            viewer.cancel()
        await asyncio.gather(*self._viewers.values(), return_exceptions=True)
        for handle in self._publishers.values():
            await handle.__aexit__(None, None, None)

    def peer_name(self, on: str, address: Address) -> str:
        """Who the script says that the peer of a datagram socket is: the next who has that address."""
        names = self._peer_names.get((on, str(address)))
        if not names:
            return f"{on}-{address}"
        return names.popleft() if len(names) > 1 else names[0]

    def _open(self, record: Record) -> None:
        name = record.fields["on"]
        if self.far.dialled(record.who):
            transport = self.far.open(record, self._rooms.get(record.who, ()))
            if transport is not None:
                self._connections[record.who] = transport
            return
        if record.get("udp"):
            self._peers[record.who] = (name, Address.parse(record.fields["peer"]))
            self._socket(record, name)
            return
        found = self._engine.addresses.get(name) or self._engine.addresses.get(_PLAIN.get(name, ""))
        if not found:
            raise self._script.error(record, f"the topology has no endpoint {name!r}")
        peer = Address.parse(record.fields["peer"])
        local = Address.parse(record.fields["local"]) if "local" in record.fields else None
        self.opening = record.who
        to = (found[0].host, found[0].port)
        transport = self._network.connect(to, peer, local=local, room=self._rooms.get(record.who, ()))
        if transport is not None:
            self._connections[record.who] = transport

    def _ring(self, record: Record) -> None:
        """What was due is seen to now, whatever else there is to do."""
        if "rang" not in record.fields:
            return
        until = self._script.head.monotonic_ns + record.at - record.fields["rang"]
        queue = self._engine.built.system.run_queue
        while (due := self._loop.due(until)) is not None:
            queue.expect()
            try:
                self._loop.fire(due)
            finally:
                queue.drain()

    async def _remote(self, record: Record) -> None:
        self.opening = record.who
        await self.far.add(record)

    def _in(self, record: Record) -> None:
        data = self._kept(record)
        transport = self._connections.get(record.who)
        if transport is not None:
            transport.feed(data)

    def _kept(self, record: Record) -> bytes:
        if record.data is None:
            raise self._script.error(record, "what came in was not kept: this script can be looked at, not replayed")
        return record.data

    def _datagram(self, record: Record) -> None:
        data = self._kept(record)
        if self.far.dialled(record.who):
            self.far.datagram(record.who, data)
            return
        if record.who not in self._peers:
            raise self._script.error(record, f"there is no {record.who!r}: an `open` with `udp` says who that is")
        name, peer = self._peers[record.who]
        at = self._socket(record, name)
        if at is not None:
            self._network.send(data, at, peer)

    def _socket(self, record: Record, name: str) -> Place | None:
        """Where the datagram socket of that name is bound; None while it is being restarted."""
        built = self._engine.built
        for opened in built.system.seams.sockets:
            if opened.on == name and opened.remote is None:
                return opened.socket.bound.host, opened.socket.bound.port
        if name not in built.listeners and f"{name.rpartition('-')[0]}-udp" not in built.listeners:
            raise self._script.error(record, f"the topology has no endpoint {name!r} with datagrams")
        return None

    def _eof(self, record: Record) -> None:
        transport = self._connections.get(record.who)
        if transport is not None:
            transport.finish()
        elif self.far.dialled(record.who):
            self.far.read(record.who, PullEnded(record.get("why", "")))

    def _lost(self, record: Record) -> None:
        transport = self._connections.pop(record.who, None)
        if transport is not None:
            error = record.get("why") or record.get("error")
            transport.lose(ConnectionResetError(error) if error else None)
        elif self.far.dialled(record.who):
            error = record.get("error", "")
            self.far.read(record.who, PullFailed(record.get("why", error), stalled=error == STALLED))

    def _drained(self, record: Record) -> None:
        transport = self._connections.get(record.who)
        if transport is not None:
            transport.drain()

    def _connected(self, record: Record) -> None:
        session = self._network.peers.sessions.get(record.who)
        if session is not None:
            session.connect(Address.parse(record.fields["peer"]), record.get("profile", ""))

    def _packet(self, record: Record) -> None:
        session = self._network.peers.sessions.get(record.who)
        if session is not None:
            session.arrive(self._kept(record), rtcp=record.kind == "rtcp-in")

    def _closed(self, record: Record) -> None:
        session = self._network.peers.sessions.get(record.who)
        if session is not None:
            error = ArclyError(record.fields["error"]) if "error" in record.fields else None
            session.end(record.fields["reason"], error)

    async def _publish(self, record: Record) -> None:
        key = record.fields["key"]
        wanted = _never if record.get("answers", True) else None
        handle = self._engine.publish(key, (), record.get("metadata", {}), keyframe_wanted=wanted)
        try:
            await handle.__aenter__()
        except Refused:  # an event tells of it: what it would have sent goes nowhere
            self._refused.add(record.who)
            return
        self._refused.discard(record.who)
        self._publishers[record.who] = handle
        self._tracks[record.who] = {}
        self._keys[record.who] = StreamKey.parse(key)
        channel = self._engine.built.bus.channel(StreamKey.parse(key))
        if channel is not None and channel.log.head == 0 and record.get("clock") != "own":
            channel.timeline.keep()  # recorded frames are on the stream's own timeline
            channel.seats = record.get("seats", 0)

    def _tracks_of(self, record: Record) -> tuple[Track, ...]:
        try:
            return tuple(track_of(values) for values in record.fields["tracks"])
        except (ValueError, TypeError, KeyError) as error:
            raise self._script.error(record, f"these are no tracks: {error}") from None

    async def _announce(self, record: Record) -> None:
        handle = self._publishers.get(record.who)
        if self.far.dialled(record.who):
            tracks = self._tracks_of(record)
            self._tracks[record.who] = {track.id: track for track in tracks}
            self.far.read(record.who, PullTracks(tracks, record.get("metadata", {})))
        elif handle is not None and handle.alive:
            tracks = self._tracks_of(record)
            self._tracks[record.who] = {track.id: track for track in tracks}
            handle.announce(tracks, record.get("metadata", {}))
            self._engine.built.system.run_queue.drain()

    async def _send(self, record: Record) -> None:
        if record.who in self._refused:
            return
        handle = self._publishers.get(record.who)
        track = self._tracks.get(record.who, {}).get(record.fields["track"])
        read = self.far.dialled(record.who)
        if (handle is None and not read) or track is None or record.data is None:
            raise self._script.error(record, "there is no such publisher or track, or the frame was not kept")
        fields = record.fields
        keyframe, arrival = bool(fields.get("keyframe", False)), self._clock.monotonic_ns() - fields.get("waited", 0)
        frame = MediaFrame(track, fields["pts"], fields["dts"], record.data, keyframe, arrival=arrival)
        if read:
            self.far.read(record.who, PullFrames((frame,)))
        elif fields.get("kept"):
            self._log(record, frame)
        elif handle is not None and handle.alive:
            handle.send(frame)
            self._engine.built.system.run_queue.drain()  # on the tape it is when it is in the log

    def _log(self, record: Record, frame: MediaFrame) -> None:
        """It was in the log at the script's beginning."""
        channel = self._engine.built.bus.channel(self._keys[record.who])
        if channel is not None:
            channel.append(channel.timeline.place(frame), frame.arrival)

    async def _unpublish(self, record: Record) -> None:
        handle = self._publishers.pop(record.who, None)
        if handle is not None:
            await handle.__aexit__(None, None, None)

    def _view(self, record: Record) -> None:
        seen = asyncio.ensure_future(self._look(record))
        self._viewers[record.who] = seen

    async def _leave(self, record: Record) -> None:
        viewer = self._viewers.pop(record.who, None)
        if viewer is not None:
            viewer.cancel()
            with suppress(asyncio.CancelledError):
                await viewer

    async def _look(self, record: Record) -> None:
        reads = self._reads(record)
        stream = await self._engine.stream(record.fields["key"])
        join = Join(record.fields["join"]) if "join" in record.fields else None
        with suppress(Refused):
            async with aclosing(stream.frames(join=join)) as frames:
                async for frame in frames:
                    key = {"keyframe": True} if frame.keyframe else {}
                    told = {"who": record.who, "track": frame.track.id, "pts": frame.pts, "dts": frame.dts, **key}
                    self.seen("seen", told_by_digest(told, frame.payload))
                    await reads.wait()

    def _reads(self, record: Record) -> asyncio.Event:
        """Set while a viewer asks for the next frame."""
        if record.who not in self._reading:
            self._reading[record.who] = asyncio.Event()
            self._reading[record.who].set()
        return self._reading[record.who]

    def _crash(self, record: Record) -> None:
        name = record.fields["actor"]
        if name not in KINDS:
            raise self._script.error(record, f"there is no actor {name!r}; there are {', '.join(KINDS)}")
        crash_one(self._engine.built.system, name, record.get("which", -1))

    def _jump(self, record: Record) -> None:
        self._clock.step(span(record.fields["jump"], "jump"))


def _told(script: Script) -> dict[str, Told]:
    """What each WebRTC session's answer said of its transport."""
    told = {}
    for record in script.records:
        if record.kind == "session":
            try:
                places = tuple(Address.parse(str(each)) for each in record.fields["candidates"])
            except ConfigurationError as error:
                raise script.error(record, str(error)) from None
            told[record.who] = Told(record.fields["fingerprint"], places)
    return told


def _never(_full_intra: bool) -> None:
    """What comes of asking a recorded publisher is among its frames."""


def peer_names(records: Iterable[Record]) -> dict[tuple[str, str], deque[str]]:
    """The peers of datagram sockets, by the socket's name and their address, in order. Those who come to a source or sink
    that listens are by what they are called but for their number.
    """
    found: dict[tuple[str, str], deque[str]] = {}
    for record in records:
        if record.kind == "open" and record.get("udp"):
            address = str(Address.parse(record.fields["peer"]))
            on = record.who.rpartition("-")[0] if CALLER in record.who else record.fields["on"]
            found.setdefault((on, address), deque()).append(record.who)
    return found


def _rooms(records: Iterable[Record]) -> dict[str, list[int | None]]:
    """How many bytes in all each connection's kernel had taken when it took no more, and None where it did again."""
    rooms: dict[str, list[int | None]] = {}
    written: dict[str, int] = {}
    for record in records:
        who = record.who
        if record.kind == "out":
            size = len(record.data) if record.data is not None else int(record.get("size", 0))
            written[who] = written.get(who, 0) + size
            open_ended = rooms.setdefault(who, [None])
            if "left" in record.fields and open_ended[-1] is None:
                open_ended[-1] = written[who] - record.fields["left"]
        elif record.kind == "drained":
            rooms.setdefault(who, [None]).append(None)
    return rooms
