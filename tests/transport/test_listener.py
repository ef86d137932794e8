"""Listeners: addresses, budgets, TLS, running out of descriptors, and nothing left behind."""

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pykka
import pytest

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError, Refusal, Refused
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget, Complaint
from arcly_actors.transport.connection import Connection, ConnectionClosed
from arcly_actors.transport.listener import Listener, WhereBound
from arcly_actors.transport.tls import server_context
from arcly_actors.transport.wire import Wire
from tests.support.engines import LineEngine, Session, Witness
from tests.support.waiting import until
from tests.support.wires import connect, descriptors


class Server:
    """A listener of line engines, each with its session."""

    def __init__(self, system: System, *addresses: str, budget: Budget | None = None, **options: Any) -> None:
        self.system = system
        self.budget = budget or Budget()
        self.complaints: list[Complaint] = []
        self.events: list[Any] = []
        self.exits: list[Any] = []
        self.wires: list[Wire] = []
        self.ref: pykka.ActorRef[Listener] = Listener.start(
            system,
            [Address.parse(one) for one in addresses or ("127.0.0.1:0",)],
            self.handover,
            budget=self.budget,
            complain=self.complaints.append,
            **options,
        )
        Witness.start(system, self.ref, self.exits)

    def handover(self, wire: Wire) -> None:
        self.wires.append(wire)
        connection = Connection.start(self.system, wire, LineEngine())
        Session.start(self.system, connection, self.events)

    async def bound(self) -> tuple[Address, ...]:
        bound: tuple[Address, ...] = await self.ref.ask(WhereBound(), block=False)
        return bound

    async def port(self) -> int:
        return (await self.bound())[0].port

    def closed(self) -> list[ConnectionClosed]:
        return [event for event in self.events if isinstance(event, ConnectionClosed)]

    async def settle(self) -> None:
        """Every connection and session is gone."""
        await until(lambda: not self.budget.in_use and len(self.system.actors()) <= 2)


@contextlib.asynccontextmanager
async def serving(system: System, *addresses: str, **options: Any) -> AsyncIterator[Server]:
    server = Server(system, *addresses, **options)
    try:
        yield server
    finally:
        for wire in server.wires:
            wire.abort()
        await until(lambda: not server.budget.in_use)
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:1935", "127.0.0.1", 1935),
        (":80", "0.0.0.0", 80),
        ("*:0", "0.0.0.0", 0),
        ("[::1]:8554", "::1", 8554),
        ("[::]:1", "::", 1),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize("text", ["", "1935", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80", "host:²"])
def test_a_bad_address_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"address|port"):
        Address.parse(text)


async def test_it_serves_on_the_port_that_the_system_chose(system: System) -> None:
    async with serving(system) as server:
        peer = await connect(await server.port())
        await peer.send(b"echo hi\n")
        assert await peer.exactly(3) == b"hi\n"
        peer.close()
        await server.settle()
        assert server.events == ["echo hi", "half closed", ConnectionClosed("the peer closed")]


async def test_several_addresses_and_ipv6(system: System) -> None:
    async with serving(system, "127.0.0.1:0", "[::1]:0") as server:
        first, second = await server.bound()
        assert (first.host, second.host) == ("127.0.0.1", "::1")
        reader, writer = await asyncio.open_connection("::1", second.port)
        writer.write(b"echo six\n")
        assert await reader.readexactly(4) == b"six\n"
        assert server.wires[0].peer.host == "::1"
        writer.close()
        await writer.wait_closed()


async def test_an_ipv4_peer_of_a_dual_stack_listener_is_named_as_ipv4(system: System) -> None:
    async with serving(system, "[::]:0") as server:
        peer = await connect(await server.port())
        await until(lambda: bool(server.wires))
        assert server.wires[0].peer.host == "127.0.0.1"
        peer.close()


async def test_an_address_in_use_is_a_configuration_error_that_names_it(system: System) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = Server(system, "127.0.0.1:0", f"127.0.0.1:{port}")
        await until(lambda: bool(server.exits))
    error = server.exits[0].error
    assert isinstance(error, ConfigurationError)
    assert f"127.0.0.1:{port}" in str(error)


async def test_over_the_budget_is_closed_at_once_and_reported_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REFUSED_AT_ONCE", 0)
    async with serving(system, budget=Budget(connections=2)) as server:
        port = await server.port()
        here = [await connect(port), await connect(port)]
        await until(lambda: server.budget.in_use == 2)
        for _ in range(5):
            late = await connect(port)
            assert await late.rest() == b""
            late.close()
        assert [(one.reason, one.count) for one in server.complaints] == [("budget", 1)]
        assert server.complaints[0].peer is not None
        here[0].close()
        await until(lambda: server.budget.in_use == 1)
        here.append(await connect(port))
        await here[-1].send(b"echo room\n")
        assert await here[-1].exactly(5) == b"room\n"
        for peer in here:
            peer.close()


async def test_one_address_may_not_take_everything(system: System) -> None:
    async with serving(system, budget=Budget(connections=10, per_host=1)) as server:
        first, second = await connect(await server.port()), await connect(await server.port())
        await until(lambda: len(server.wires) == 2)
        told = [wire.refused and wire.refused.detail for wire in server.wires]
        assert told == [None, "127.0.0.1 already has 1 connections"]
        assert "127.0.0.1 already has 1" in server.complaints[0].detail
        assert (server.budget.in_use, server.budget.refusing) == (1, 1)
        first.close()
        second.close()
        await until(lambda: (server.budget.in_use, server.budget.refusing) == (0, 0))


def test_no_more_than_a_few_are_told_that_there_is_no_room() -> None:
    budget = Budget(connections=1)
    first = budget.take("a")
    told = [budget.take("b") for _ in range(limits.REFUSED_AT_ONCE)]
    assert first.refused is None
    assert all(permit.refused is not None and permit.refused.refusal is Refusal.LIMIT for permit in told)
    with pytest.raises(Refused, match="all 1 connections"):
        budget.take("b")
    told[0].release()
    told[0].release()
    assert budget.refusing == limits.REFUSED_AT_ONCE - 1
    first.release()
    assert budget.take("b").refused is None


async def test_out_of_descriptors_pauses_and_goes_on(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACCEPT_RETRY", 5_000_000)
    accept = socket.socket.accept
    failures = [OSError(errno.EMFILE, "Too many open files")] * 2

    def scarce(self: socket.socket) -> tuple[socket.socket, Any]:
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", scarce)
    async with serving(system) as server:
        peer = await connect(await server.port())
        await peer.send(b"echo patience\n")
        assert await peer.exactly(9) == b"patience\n"
        assert [one.reason for one in server.complaints] == ["descriptors"]
        peer.close()


async def test_tls(system: System, certificate: tuple[Path, Path]) -> None:
    async with serving(system, tls=server_context(*certificate)) as server:
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", await server.port(), ssl=trusting, server_hostname="localhost"
        )
        writer.write(b"echo secret\nflood 3000000\n")
        assert await reader.readexactly(7) == b"secret\n"
        assert await reader.readexactly(3_000_000) == b"x" * 3_000_000
        assert server.wires[0].encrypted
        assert server.wires[0].outlet.fileno() == -1
        await until(lambda: server.wires[0].outlet.pending == 0)
        fired: list[bool] = []
        server.wires[0].outlet.write(b"y" * 2_000_000)
        server.wires[0].outlet.when_writable(lambda: fired.append(True))
        assert await reader.readexactly(2_000_000) == b"y" * 2_000_000
        await until(lambda: bool(fired))
        writer.write(b"bye\n")
        assert await reader.read() == b"bye\n"
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        await server.settle()
        assert server.closed() == [ConnectionClosed("goodbye")]


async def test_rubbish_instead_of_tls_is_counted_and_costs_nothing(
    system: System, certificate: tuple[Path, Path]
) -> None:
    async with serving(system, tls=server_context(*certificate)) as server:
        for _ in range(3):
            peer = await connect(await server.port())
            await peer.send(b"\x03" + b"rtmp, not tls" * 100)
            await peer.rest()
            peer.close()
        await until(lambda: not server.budget.in_use)
        assert server.wires == []
        assert [one.reason for one in server.complaints] == ["handshake"]


async def test_a_silent_peer_does_not_hold_a_tls_handshake_open(system: System, certificate: tuple[Path, Path]) -> None:
    async with serving(system, tls=server_context(*certificate), tls_timeout=30_000_000) as server:
        peer = await connect(await server.port())
        assert await peer.rest() == b""
        await until(lambda: not server.budget.in_use)
        assert [one.reason for one in server.complaints] == ["handshake"]
        peer.close()


async def test_tls_files_are_checked(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        server_context(tmp_path / "missing.pem", certificate[1])
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("not a key")
    with pytest.raises(ConfigurationError, match=r"rubbish\.pem"):
        server_context(certificate[0], rubbish)


async def test_a_handover_that_fails_ends_that_connection_only(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(system) as server:
        port = await server.port()
        failing = True

        class Broken(LineEngine):
            def __init__(self) -> None:
                if failing:
                    raise RuntimeError("cannot start")
                super().__init__()

        monkeypatch.setitem(globals(), "LineEngine", Broken)
        peer = await connect(port)
        assert await peer.rest() == b""
        peer.close()
        assert [one.reason for one in server.complaints] == ["handover"]
        failing = False
        peer = await connect(port)
        await peer.send(b"echo fine\n")
        assert await peer.exactly(5) == b"fine\n"
        peer.close()


async def test_connections_outlive_their_listener(system: System) -> None:
    async with serving(system) as server:
        port = await server.port()
        peer = await connect(port)
        await peer.send(b"echo before\n")
        assert await peer.exactly(7) == b"before\n"
        await server.ref.stop(block=False)
        with pytest.raises(ConnectionRefusedError):
            await connect(port)
        await peer.send(b"echo after\n")
        assert await peer.exactly(6) == b"after\n"
        peer.close()


async def test_five_hundred_connections_leave_nothing_behind(system: System) -> None:
    async with serving(system) as server:
        port = await server.port()
        before = 0
        for cycle in range(10):
            peers = [await connect(port) for _ in range(50)]
            for number, peer in enumerate(peers):
                if number % 3 == 0:
                    await peer.send(b"echo x\n" if number % 2 else b"half a line")
                peer.reset() if (number + cycle) % 2 else peer.close()
            await until(lambda: len(server.wires) == 50 * (cycle + 1))  # noqa: B023 - awaited in this very turn
            await server.settle()
            if not cycle:  # libuv keeps a spare descriptor from its first accept on
                gc.collect()
                before = descriptors()
        assert len(server.closed()) == 500
        await until(lambda: descriptors() <= before)
        assert server.complaints == []
