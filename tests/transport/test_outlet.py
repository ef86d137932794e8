"""Outlets on real sockets: order, backpressure, broken peers, and never a write to somebody else's descriptor."""

import asyncio
import os
import random
import socket

from arcly_actors.transport.outlet import Outlet, write_all
from arcly_actors.transport.wire import set_options
from tests.support.outlets import MemoryOutlet
from tests.support.waiting import until
from tests.support.wires import MakePair, Recorder


def stream(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def test_what_is_written_arrives_without_the_transport_seeing_it(pair: MakePair) -> None:
    wire, peer = await pair()
    wire.outlet.write(b"hello")
    assert wire.outlet.pending == 0
    assert wire.outlet.direct == wire.outlet.fileno() >= 0
    assert await peer.exactly(5) == b"hello"


async def test_order_is_kept_across_backpressure(pair: MakePair) -> None:
    wire, peer = await pair(small=True)
    data = stream(1, 3_000_000)
    sizes = random.Random(2)
    at = 0
    received = bytearray()
    while at < len(data):
        size = sizes.choice([1, 7, 1400, 30_000, 200_000])
        wire.outlet.write(data[at : at + size])
        at += size
        if sizes.random() < 0.5:
            received += await peer.receive(sizes.choice([100, 100_000]))
    assert wire.outlet.pending > 0
    assert wire.outlet.direct == -1
    received += await peer.exactly(len(data) - len(received))
    assert bytes(received) == data
    await until(lambda: wire.outlet.pending == 0)
    wire.outlet.write(b"!")
    assert await peer.exactly(1) == b"!"
    assert wire.outlet.direct >= 0, "an outlet that has caught up writes straight to the kernel again"


async def test_pending_counts_what_the_kernel_did_not_take_and_when_writable_fires_once_it_did(pair: MakePair) -> None:
    wire, peer = await pair(small=True)
    data = stream(3, 500_000)
    wire.outlet.write(data)
    pending = wire.outlet.pending
    assert 0 < pending < len(data)
    fired: list[int] = []
    wire.outlet.when_writable(lambda: fired.append(wire.outlet.pending))
    await asyncio.sleep(0)
    assert fired == []
    assert await peer.exactly(len(data)) == data
    await until(lambda: bool(fired))
    wire.outlet.write(data)
    assert await peer.exactly(len(data)) == data
    assert fired == [0]


async def test_when_writable_comes_soon_when_nothing_is_pending_and_also_when_the_peer_is_lost(pair: MakePair) -> None:
    wire, peer = await pair(small=True)
    calls: list[bool] = []
    wire.outlet.when_writable(lambda: calls.append(wire.outlet.closed))
    assert calls == []
    await until(lambda: calls == [False])
    wire.outlet.write(stream(4, 500_000))
    wire.outlet.when_writable(lambda: calls.append(wire.outlet.closed))
    peer.reset()
    await until(lambda: calls == [False, True])


async def test_a_reset_marks_it_closed_and_never_raises(pair: MakePair) -> None:
    wire, peer = await pair()
    recorder = Recorder()
    peer.reset()
    await until(lambda: _write_until_closed(wire.outlet))
    wire.outlet.write(b"more")
    wire.attach(recorder)
    await recorder.over.wait()
    assert wire.outlet.fileno() == -1
    assert wire.outlet.pending == 0
    assert isinstance(wire.outlet.error, ConnectionError)


def _write_until_closed(outlet: Outlet) -> bool:
    outlet.write(b"x" * 1000)
    return outlet.closed


async def test_a_descriptor_that_now_belongs_to_another_is_never_written_to(pair: MakePair) -> None:
    wire, _peer = await pair()
    recorder = Recorder()
    wire.attach(recorder)
    number = wire.outlet.fileno()
    wire.abort()
    await recorder.over.wait()
    await until(lambda: not _open(number))
    ends = [end for _ in range(8) for end in socket.socketpair()]
    assert number in {end.fileno() for end in ends}, "the kernel gives the lowest free number"
    wire.outlet.write(b"not for you")
    assert write_all([wire.outlet], b"nor this") == [wire.outlet]
    for end in ends:
        end.setblocking(False)
    assert not any(_readable(end) for end in ends)
    for end in ends:
        end.close()


def _open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _readable(one: socket.socket) -> bool:
    try:
        return bool(one.recv(1))
    except BlockingIOError:
        return False


async def test_end_sends_everything_first(pair: MakePair) -> None:
    wire, peer = await pair(small=True)
    recorder = Recorder()
    wire.attach(recorder)
    data = stream(5, 400_000)
    wire.outlet.write(data)
    wire.outlet.end()
    wire.outlet.write(b"too late")
    assert wire.outlet.closed
    assert wire.outlet.pending > 0
    assert await peer.rest() == data
    peer.close()
    await recorder.over.wait()
    assert recorder.error is None


async def test_the_last_bytes_survive_a_peer_that_is_still_sending(pair: MakePair) -> None:
    wire, peer = await pair()
    recorder = Recorder()
    wire.attach(recorder)
    await peer.send(b"push" * 1000)
    wire.outlet.write(b"your stream was refused")
    wire.outlet.end()
    await peer.send(b"push" * 1000)
    assert await peer.rest() == b"your stream was refused"
    peer.close()
    await recorder.over.wait()


async def test_a_peer_that_does_not_fetch_its_last_bytes_is_cut_off(pair: MakePair) -> None:
    wire, peer = await pair(small=True)
    recorder = Recorder()
    wire.attach(recorder)
    wire.outlet.write(stream(6, 500_000))
    wire.end(within=20_000_000)
    await recorder.over.wait()
    assert wire.outlet.pending == 0
    peer.close()


async def test_write_all_names_those_that_did_not_take_all(pair: MakePair) -> None:
    fast, fast_peer = await pair()
    slow, slow_peer = await pair(small=True)
    gone, gone_peer = await pair()
    gone_peer.reset()
    await until(lambda: _write_until_closed(gone.outlet))
    memory = MemoryOutlet(room=10)
    data = stream(7, 60_000)
    outlets: list[Outlet] = [fast.outlet, slow.outlet, gone.outlet, memory, MemoryOutlet()]
    assert write_all(outlets, data) == [slow.outlet, gone.outlet, memory]
    assert write_all(outlets, b"second") == [slow.outlet, gone.outlet, memory]
    for peer in (fast_peer, slow_peer):
        assert await peer.exactly(len(data) + 6) == data + b"second"
    assert memory.received == data + b"second"


async def test_write_all_meets_a_peer_that_went_away_unnoticed(pair: MakePair) -> None:
    wire, peer = await pair()
    recorder = Recorder()
    wire.attach(recorder)
    wire.pause()
    peer.reset()
    await until(lambda: write_all([wire.outlet], b"x" * 1000) == [wire.outlet])
    await recorder.over.wait()
    assert isinstance(recorder.error, ConnectionError)


async def test_a_stalled_viewer_costs_the_kernel_a_bounded_number_of_bytes(pair: MakePair) -> None:
    wire, peer = await pair()
    set_options(peer.socket)  # a connected socket like an accepted one; the wire plays the peer that stops reading
    wire.pause()
    taken = 0
    block = b"x" * 65536
    try:
        while taken < 64 << 20:
            taken += peer.socket.send(block)
    except BlockingIOError:
        pass
    assert taken < 8 << 20


def test_a_memory_outlet_is_an_outlet() -> None:
    outlet: Outlet = MemoryOutlet(room=3)
    outlet.write(b"hello")
    assert isinstance(outlet, MemoryOutlet)
    assert (bytes(outlet.taken), outlet.pending) == (b"hel", 2)
    fired: list[bool] = []
    outlet.when_writable(lambda: fired.append(True))
    outlet.make_room(1)
    assert not fired
    outlet.make_room(None)
    assert fired == [True]
    outlet.write(b"!")
    assert outlet.received == b"hello!"
    outlet.stall()
    outlet.write(b"?")
    assert outlet.pending == 1
    outlet.end()
    outlet.write(b"late")
    assert outlet.received == b"hello!?"
