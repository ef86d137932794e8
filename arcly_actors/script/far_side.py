"""The far side of a replay: it answers what the engine dials, as it was answered when the script was recorded."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from arcly_actors.engine import Engine
from arcly_actors.errors import AddressUnavailable, ConfigurationError, Refused
from arcly_actors.ingest.pull import PullFailed
from arcly_actors.runtime.seams import NoAnswer, Place, Remote, Replied
from arcly_actors.script.edit import dialler_of
from arcly_actors.script.record import Record, Script
from arcly_actors.script.taped_dials import CALLER, socket_name
from arcly_actors.topology.remotes import SinkHandle, SourceHandle
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport


class FarSide:
    """Implements `script.network.Far`. `name` says what the present dial of a source or sink is called in the script.

    An answer for a dial that the engine has yet to make waits for it, and so does a dial without an answer.
    """

    def __init__(self, engine: Engine, network: "ScriptedNetwork", script: Script) -> None:
        self._engine = engine
        self._network = network
        self._script = script
        self._remotes = {record.who for record in script.records if record.kind == "remote"}
        self._handles: dict[str, SourceHandle | SinkHandle] = {}
        self._answers: dict[str, asyncio.Future[ScriptedTransport | Address | str]] = {}
        self._replies: dict[str, asyncio.Queue[Replied | str]] = {}
        self._readers: dict[str, Callable[[object], None]] = {}
        self._unread: dict[str, list[object]] = {}
        self._peers: dict[str, Address] = {}
        self._locals = {
            record.who: Address.parse(record.fields["local"]).port
            for record in script.records
            if (record.kind == "bound" or record.get("udp")) and "local" in record.fields and self.dialled(record.who)
        }
        found = {record.who for record in script.records if record.kind == "found"}
        refused = {record.who: str(record.fields["why"]) for record in script.records if record.kind == "unanswered"}
        self._taken = {who: why for who, why in refused.items() if who in found}
        self.name: Callable[..., str] = lambda _remote, _number=0: ""

    def dialled(self, who: str) -> bool:
        """Whether that is somebody whom a source or sink of the script dials."""
        return dialler_of(who) in self._remotes

    async def add(self, record: Record) -> None:
        """There is a source or sink. Raises ScriptError for one that cannot be."""
        fields = record.fields
        if fields["does"] not in ("pull", "push"):
            raise self._script.error(record, f"a remote does pull or push, not {fields['does']!r}")
        told = (fields["key"], fields["url"])
        options = record.get("options", {})
        try:
            if fields["does"] == "pull":
                self._handles[record.who] = await self._engine.pull(*told, **options)
            else:
                self._handles[record.who] = await self._engine.push(*told, **options)
        except (ConfigurationError, Refused, TypeError) as error:
            raise self._script.error(record, f"there can be no such source or sink: {error}") from None

    async def withdraw(self, who: str) -> None:
        """It is stopped."""
        handle = self._handles.pop(who, None)
        if handle is not None:
            await handle.stop()

    def open(self, record: Record, room: "Iterable[int | None]") -> "ScriptedTransport | None":
        """A dial is answered; of datagrams, the peer has been heard of, or was sent something."""
        from arcly_actors.script.network import ScriptedTransport  # noqa: PLC0415 - it is built on this module

        peer = Address.parse(record.fields["peer"])
        if record.get("udp"):
            self._peers[record.who] = peer
            return None
        local = Address.parse(record.fields["local"]) if "local" in record.fields else Address("127.0.0.1", 0)
        transport = ScriptedTransport(peer, local, room)
        transport.pause_reading()  # until there is who reads
        self._answer(record.who, transport)
        return transport

    def find(self, record: Record) -> None:
        """There is where datagrams go."""
        self._answer(record.who, Address.parse(record.fields["peer"]))

    def refuse(self, record: Record) -> None:
        """Nobody answers."""
        self._answer(record.who, str(record.fields["why"]))
        self._replies_of(record.who).put_nowait(str(record.fields["why"]))
        self.read(record.who, PullFailed(str(record.fields["why"])))

    def reply(self, record: Record) -> None:
        """That was answered over HTTP."""
        if record.data is None:
            raise self._script.error(record, "what was answered was not kept: this script can be looked at, not replayed")
        reply = Replied(record.fields["status"], tuple(record.get("headers", {}).items()), record.data)
        self._replies_of(record.who).put_nowait(reply)

    def datagram(self, who: str, data: bytes) -> None:
        """One from there; it is lost while no socket is open for it."""
        peer = self._peers.get(who)
        for opened in self._engine.built.system.seams.sockets:
            on = self._socket(opened.remote, opened.on) if opened.remote is not None else ""
            if peer is not None and on and on == who.partition(CALLER)[0]:
                bound: Address = opened.socket.bound
                self._network.send(data, (bound.host, bound.port), peer)
                return

    async def dial(self, protocol: Callable[[], asyncio.Protocol], remote: Remote) -> None:
        """See `Network.dial`."""
        answer = await self._wait(remote)
        if isinstance(answer, str):
            raise NoAnswer(answer)
        if isinstance(answer, Address):
            raise NoAnswer("the script has datagrams here, not a connection")
        made = protocol()
        answer.protocol = made
        made.connection_made(answer)

    async def ask(self, remote: Remote, number: int) -> Replied:
        """See `Network.ask`: answers come in the order of the questions."""
        reply = await self._replies_of(self.name(remote, number)).get()
        if isinstance(reply, str):
            raise NoAnswer(reply)
        return reply

    def read(self, who: str, message: object) -> None:
        """FFmpeg had read that in this dial; it waits for the dial."""
        reader = self._readers.get(who)
        if reader is None:
            self._unread.setdefault(who, []).append(message)
        else:
            reader(message)

    def play(self, remote: Remote, hear: Callable[[object], None]) -> None:
        """See `Network.play`."""
        who = self.name(remote)
        self._readers[who] = hear
        for message in self._unread.pop(who, ()):
            hear(message)

    async def resolve(self, remote: Remote) -> Place:
        """See `Network.resolve`."""
        answer = await self._wait(remote)
        if not isinstance(answer, Address):
            raise NoAnswer(answer if isinstance(answer, str) else "the script has a connection here, not datagrams")
        return answer.host, answer.port

    def local(self, remote: Remote, at: Place, on: str) -> int:
        """See `Far.local`: that of the recording, for it may be told to the server."""
        why = self._taken.get(self.name(remote))
        if why is not None:
            raise AddressUnavailable(str(Address(*at)), why.rpartition(": ")[2])
        return at[1] or self._locals.get(self._socket(remote, on), 0)

    async def _wait(self, remote: Remote) -> "ScriptedTransport | Address | str":
        return await self._future(self.name(remote))

    def _replies_of(self, who: str) -> "asyncio.Queue[Replied | str]":
        return self._replies.setdefault(who, asyncio.Queue())

    def _answer(self, who: str, answer: "ScriptedTransport | Address | str") -> None:
        future = self._future(who)
        if not future.done():
            future.set_result(answer)

    def _future(self, who: str) -> "asyncio.Future[ScriptedTransport | Address | str]":
        return self._answers.setdefault(who, asyncio.get_running_loop().create_future())

    def _socket(self, remote: Remote, on: str) -> str:
        return socket_name(self.name(remote), on)
