"""The connection actor on real sockets: events in order, orderly and disorderly ends, and owners that come and go."""

import asyncio
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.script.network import ScriptedTransport
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import Close, Command, Connection, ConnectionClosed, Divert
from arcly_actors.transport.wire import Wire
from tests.support.engines import LineEngine, Session, Witness
from tests.support.waiting import until
from tests.support.wires import MakePair, Peer

MS = 1_000_000


class Rig:
    """A connection with a session over a real socket."""

    def __init__(self, system: System, peer: Peer, connection: pykka.ActorRef[Connection]) -> None:
        self.system = system
        self.peer = peer
        self.connection = connection
        self.events: list[Any] = []
        self.exits: list[Any] = []
        Witness.start(system, connection, self.exits)

    def attach(self) -> pykka.ActorRef[Session]:
        return Session.start(self.system, self.connection, self.events)

    async def told(self, *events: object) -> None:
        await until(lambda: len(self.events) >= len(events))
        assert self.events == list(events)

    async def over(self) -> Any:
        await until(lambda: bool(self.exits))
        assert not self.connection.is_alive()
        return self.exits[0]


async def rig(system: System, pair: MakePair, *, small: bool = False, greeting: bytes = b"", **options: Any) -> Rig:
    wire, peer = await pair(small=small)
    return Rig(system, peer, Connection.start(system, wire, LineEngine(greeting), **options))


async def test_bytes_become_events_and_answers(system: System, pair: MakePair) -> None:
    made = await rig(system, pair, greeting=b"welcome\n")
    made.attach()
    await made.peer.send(b"echo one\nec")
    await made.peer.send(b"ho two\n")
    assert await made.peer.exactly(16) == b"welcome\none\ntwo\n"
    await made.told("echo one", "echo two")


class Taker(LoopActor):
    """Takes what is diverted to it."""

    def __init__(self, system: System, taken: list[Any]) -> None:
        super().__init__(system)
        self._taken = taken

    @receives(str)
    def take(self, event: str) -> None:
        self._taken.append(event)


async def test_events_are_diverted_to_an_actor_while_it_lives(system: System, pair: MakePair) -> None:
    made, taken = await rig(system, pair), list[Any]()
    made.attach()
    taker = Taker.start(system, taken)
    await made.peer.send(b"echo one\n")
    await made.told("echo one")
    made.connection.tell(Divert((str,), taker))
    system.run_queue.drain()
    await made.peer.send(b"echo two\necho three\n")
    await until(lambda: len(taken) == 2)
    assert taken == ["echo two", "echo three"]
    await made.told("echo one")
    await taker.stop(block=False)
    await made.peer.send(b"echo four\n")
    await made.told("echo one", "echo four")


async def test_what_follows_from_bytes_is_done_in_the_same_turn_of_the_loop(system: System) -> None:
    transport = ScriptedTransport(Address("1.2.3.4", 5), Address("127.0.0.1", 6))
    wire, events = Wire(system.loop), list[Any]()
    transport.protocol = wire
    wire.connection_made(transport)
    Session.start(system, Connection.start(system, wire, LineEngine()), events)
    system.run_queue.drain()
    transport.feed(b"echo one\n")
    assert events == ["echo one"]
    assert not system.run_queue.scheduled


async def test_nothing_is_read_before_somebody_listens(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    await made.peer.send(b"first\nsecond\n")
    for _ in range(20):
        await asyncio.sleep(0)
    assert made.events == []
    made.attach()
    await made.told("first", "second")


async def test_commands_reach_the_engine(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    made.connection.tell(Command("echo from inside"))
    assert await made.peer.exactly(12) == b"from inside\n"


async def test_an_engine_is_woken_once_at_the_last_time_it_asked_for(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    started = system.clock.monotonic_ns()
    await made.peer.send(b"wake 1000000\nwake 30000000\nwake 20000000\n")
    await made.told("wake 1000000", "wake 30000000", "wake 20000000", "woken")
    assert system.clock.monotonic_ns() - started >= 20 * MS


async def test_hangup_flushes_and_says_whose_fault_it_was(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    await made.peer.send(b"bad\nnever seen\n")
    assert await made.peer.rest() == b"bye\n"
    made.peer.close()
    exited = await made.over()
    assert exited.error is None
    await until(lambda: len(made.events) == 2)
    assert made.events[0] == "bad"
    assert made.events[1].reason == "violation"
    assert isinstance(made.events[1].error, Malformed)


async def test_a_peer_that_never_fetches_our_goodbye_is_cut_off(system: System, pair: MakePair, monkeypatch: Any) -> None:
    monkeypatch.setattr("arcly_actors.transport.wire.Wire.end.__defaults__", (20 * MS,))
    made = await rig(system, pair, small=True)
    made.attach()
    await made.peer.send(b"flood 1000000\nbye\n")
    assert (await made.over()).error is None
    assert made.events[-1] == ConnectionClosed("goodbye")


async def test_a_half_close_still_gets_its_answers(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    await made.peer.send(b"echo please\n")
    made.peer.finish()
    assert await made.peer.rest() == b"please\nlast words\n"
    await made.over()
    await made.told("echo please", "half closed", ConnectionClosed("the peer closed"))


async def test_a_reset_is_reported_as_an_error(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    await made.peer.send(b"hello\n")
    await made.told("hello")
    made.peer.reset()
    await made.over()
    await until(lambda: len(made.events) == 2)
    assert isinstance(made.events[1].error, ConnectionResetError)


async def test_close_is_orderly(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    made.connection.tell(Command("echo almost"))
    made.connection.tell(Close("kicked"))
    assert await made.peer.rest() == b"almost\n"
    made.peer.close()
    await made.over()
    await made.told("echo almost", ConnectionClosed("kicked"))


async def test_a_restarted_session_takes_over_the_live_connection(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    first = made.attach()
    await made.peer.send(b"one\ncrash\n")
    await made.told("one", "crash")
    await until(lambda: not first.is_alive())
    await made.peer.send(b"two\n")
    made.connection.tell(Command("three"))
    await until(lambda: bool(made.system.actors()))
    made.attach()
    await until(lambda: len(made.events) == 4)
    assert sorted(made.events[2:]) == ["three", "two"]
    await made.peer.send(b"echo still here\n")
    assert await made.peer.exactly(11) == b"still here\n"
    assert made.exits == []


async def test_events_in_flight_to_a_session_that_just_crashed_are_not_lost(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    first = made.attach()
    await made.peer.send(b"hello\n")
    await made.told("hello")
    await first.stop(block=False)
    assert (await made.over()).error is None


async def test_a_connection_without_a_session_ends_after_a_while(system: System, pair: MakePair) -> None:
    made = await rig(system, pair, orphan_timeout=20 * MS)
    made.attach()
    await made.peer.send(b"crash\n")
    assert await made.peer.rest() == b""
    made.peer.close()
    assert (await made.over()).error is None


async def test_a_session_that_is_done_ends_its_connection(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    await made.peer.send(b"echo thanks\ndone\n")
    assert await made.peer.rest() == b"thanks\n"
    made.peer.close()
    await made.over()


async def test_a_defect_of_the_engine_closes_the_connection_and_is_the_actors_failure(
    system: System, pair: MakePair
) -> None:
    made = await rig(system, pair)
    made.attach()
    await made.peer.send(b"defect\n")
    assert await made.peer.rest() == b""
    exited = await made.over()
    assert isinstance(exited.error, RuntimeError)
    await made.told(ConnectionClosed("failed", exited.error))


async def test_a_peer_that_asks_and_does_not_fetch_is_not_read_until_it_does(system: System, pair: MakePair) -> None:
    made = await rig(system, pair, small=True)
    made.attach()
    size = 2 * limits.REPLY_BACKLOG
    await made.peer.send(f"flood {size}\n".encode())
    await until(lambda: len(made.events) == 1)
    await made.peer.send(b"echo late\n")
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(made.events) == 1
    assert await made.peer.exactly(size) == b"x" * size
    assert await made.peer.exactly(5) == b"late\n"


async def test_stopping_the_actor_flushes_and_closes(system: System, pair: MakePair) -> None:
    made = await rig(system, pair)
    made.attach()
    made.connection.tell(Command("echo bye then"))
    await made.told("echo bye then")
    await made.connection.stop(block=False)
    assert await made.peer.rest() == b"bye then\n"
    await made.told("echo bye then", ConnectionClosed("stopped"))
