"""A datagram port in virtual time: a switchboard of its own, engines that speak words, and a socket of memory."""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S, VirtualClock
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.srt.events import Train
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagram_port import DatagramPort, PortStatus
from tests.support.memory_udp import MemoryUdp
from tests.support.virtual import ask, in_virtual_time, pass_time

PEER = ("192.0.2.9", 7)


class Words:
    """``echo``, ``train`` (three datagrams), ``wake`` (in 30 ms), ``bye``, ``defect``; each word is an event, too."""

    def __init__(self) -> None:
        self.patience = limits.DATAGRAM_TICK
        self._outputs: deque[Any] = deque()

    def receive(self, data: bytes | memoryview, now: int) -> None:
        word = bytes(data).decode()
        self._outputs.append(Emit(word))
        if word == "echo":
            self._outputs.append(Transmit(bytes(data)))
        elif word == "train":
            self._outputs.append(Train(b"aabbc", 2))
        elif word == "wake":
            self._outputs.append(WakeAt(now + 30 * NS_PER_MS))
        elif word == "bye":
            self._outputs.append(Hangup("said bye"))
        elif word == "defect":
            raise RuntimeError("a defect of the engine")

    def receive_all(self, datagrams: Sequence[memoryview], now: int) -> None:
        for data in datagrams:
            self.receive(data, now)

    def wake(self, now: int) -> None:
        self._outputs.append(Emit("woken"))

    def command(self, command: str, now: int) -> None:
        self.receive(command.encode(), now)

    def closed(self, now: int) -> None:
        self._outputs.append(Transmit(b"last words"))

    def poll(self) -> Any:
        return self._outputs.popleft() if self._outputs else None


class Board:
    """One connection for each peer; ``who`` is answered without one, and ``nothing`` not at all."""

    def __init__(self) -> None:
        self.engines: dict[Hashable, Words] = {}
        self.forgotten: list[Words] = []

    def engine_of(self, data: memoryview, peer: Hashable) -> Any:
        return self.engines.get(peer) if bytes(data) not in {b"who", b"nothing"} else None

    def receive(self, data: bytes, peer: Hashable, now: int) -> Any:
        if data in {b"who", b"nothing"}:
            return b"nobody" if data == b"who" else None
        engine = self.engines.setdefault(peer, Words())
        engine.receive(data, now)
        return engine

    def forget(self, engine: Words, now: int) -> None:
        self.forgotten.append(engine)


class Owner(LoopActor):
    def __init__(self, system: System, link: DatagramLink, events: list[Any]) -> None:
        super().__init__(system)
        self._link = link
        self._events = events

    def on_start(self) -> None:
        self._link.attach(self.actor_ref)

    @receives(str, ConnectionClosed)
    def told(self, event: Any) -> None:
        self._events.append(event)
        if event == "crash":
            raise RuntimeError("the owner crashed")


class Rig:
    def __init__(self, system: System) -> None:
        self.system = system
        self.udp = MemoryUdp()
        self.board = Board()
        self.events: list[Any] = []
        self.links: list[DatagramLink] = []
        self.port = DatagramPort.start(
            system, Address("10.0.0.1", 8890), self.board, self._linked, open_socket=self.udp.open
        )

    def _linked(self, link: DatagramLink) -> None:
        self.links.append(link)
        Owner.start(self.system, link, self.events)

    def say(self, *words: str, peer: Any = PEER) -> None:
        for word in words:
            self.udp.arrive(word.encode(), peer)

    @property
    def sent(self) -> list[bytes]:
        return [data for data, _ in self.udp.sent]


async def rigged(system: System) -> Rig:
    """A port that listens."""
    rig = Rig(system)
    await pass_time(NS_PER_MS)
    return rig


@in_virtual_time
async def test_connections_are_told_apart_and_driven(system: System) -> None:
    rig = await rigged(system)
    rig.say("who", "nothing", "echo", "train", "wake")
    rig.say("echo", peer=("192.0.2.8", 1))
    await pass_time(20 * NS_PER_MS)
    assert len(rig.links) == 2
    assert rig.sent == [b"nobody", b"echo", b"aa", b"bb", b"c", b"echo"]
    assert "woken" not in rig.events
    await pass_time(30 * NS_PER_MS)
    assert rig.events.count("woken") == 1
    figures = await ask(rig.port, PortStatus())
    assert figures.connections == 2


@in_virtual_time
async def test_an_end_from_either_side_is_told_once(system: System) -> None:
    rig = await rigged(system)
    rig.say("echo", "bye")
    await pass_time(20 * NS_PER_MS)
    assert [event.reason for event in rig.events if isinstance(event, ConnectionClosed)] == ["said bye"]
    assert len(rig.board.forgotten) == 1
    rig.links[0].command("echo")
    rig.links[0].send((b"x",))
    assert rig.sent.count(b"echo") == 1


@in_virtual_time
async def test_a_connection_ends_with_its_owner_and_says_good_bye(system: System) -> None:
    rig = await rigged(system)
    rig.say("echo", "crash")
    await pass_time(20 * NS_PER_MS)
    assert rig.sent[-1] == b"last words"
    assert rig.board.forgotten


@in_virtual_time
async def test_a_defect_in_one_connection_is_reported_and_leaves_the_others(system: System) -> None:
    rig = await rigged(system)
    rig.say("echo")
    rig.say("defect", peer=("192.0.2.8", 1))
    rig.say("echo")
    await pass_time(20 * NS_PER_MS)
    assert rig.sent == [b"echo", b"echo"]
    assert rig.udp.dropped["defect"] == 1
    rig.links[0].engine.wake = None
    rig.say("wake")
    await pass_time(60 * NS_PER_MS)
    (closed,) = [event for event in rig.events if isinstance(event, ConnectionClosed)]
    assert isinstance(closed.error, TypeError)
    assert rig.port.is_alive()


@in_virtual_time
async def test_a_busy_port_is_read_by_the_clock_and_a_quiet_one_at_once_again(system: System) -> None:
    rig = await rigged(system)
    for _ in range(limits.DATAGRAM_BUSY * 2):
        rig.say("echo")
        await pass_time(NS_PER_MS)
    count = len(rig.sent)
    rig.say("echo")
    assert len(rig.sent) == count  # not at once
    await pass_time(2 * limits.DATAGRAM_TICK)
    assert len(rig.sent) > count
    await pass_time(limits.DATAGRAM_TICK * (limits.DATAGRAM_BUSY + 2))
    count = len(rig.sent)
    rig.say("echo")
    assert len(rig.sent) == count + 1


@in_virtual_time
async def test_after_a_stall_of_ours_what_waits_in_the_socket_is_heard_before_deadlines_are_judged(
    system: System,
) -> None:
    rig = await rigged(system)
    rig.say("wake")
    await pass_time(NS_PER_MS)
    rig.udp.arrive_unnoticed(b"here", PEER)  # timers come first after a stall, and the socket's readiness after them
    clock = system.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(6 * NS_PER_S)
    await pass_time(NS_PER_MS)
    assert rig.events == ["wake", "here", "woken"]


@in_virtual_time
async def test_after_a_stall_all_that_waits_is_heard_before_deadlines_are_judged(system: System) -> None:
    rig = await rigged(system)
    rig.say("wake")
    await pass_time(NS_PER_MS)
    for _ in range(limits.UDP_READS * 3):  # of others, and before it: more than is read at a time
        rig.udp.arrive_unnoticed(b"nothing", ("192.0.2.8", 1))
    rig.udp.arrive_unnoticed(b"here", PEER)
    clock = system.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(6 * NS_PER_S)
    await pass_time(NS_PER_MS)
    assert rig.events == ["wake", "here", "woken"]


@in_virtual_time
async def test_stopping_the_port_tells_everyone(system: System) -> None:
    rig = await rigged(system)
    rig.say("echo")
    await pass_time(20 * NS_PER_MS)
    rig.port.stop(block=False)
    await pass_time(NS_PER_MS)
    assert rig.sent[-1] == b"last words"
    assert rig.udp.closed
    assert any(isinstance(event, ConnectionClosed) for event in rig.events)
