"""The listening side: who is let in, who is told why not, and what strangers, replays and floods leave behind."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.protocols.outputs import Transmit
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.caller import Call, SrtCaller
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.events import Accept, Established, Received, Refuse
from arcly_actors.protocols.srt.handshake import (
    Block,
    Capabilities,
    ExtensionType,
    Flag,
    Handshake,
    HandshakeType,
    encode_text,
)
from arcly_actors.protocols.srt.keys import Keys
from arcly_actors.protocols.srt.listener import SrtListener
from arcly_actors.protocols.srt.packet import ControlType, control
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.transport.srt_ciphers import SrtCiphers
from tests.support.srt_network import CALLER, LISTENER, START, Network

CORPUS = Path(__file__).parents[2] / "corpora/srt"
SAFE = Terms(passphrase="correct horse battery")


def listener(**options: Any) -> SrtListener:
    return SrtListener(lambda _: Terms(), SrtCiphers(), b"s" * 32, **options)


def cookie_for(server: SrtListener, peer: Any = CALLER, now: int = START) -> int:
    """What an induction is answered with."""
    induction = Handshake(4, HandshakeType.INDUCTION, 1, 77, extension=2)
    answer = server.receive(packet(induction), peer, now)
    assert isinstance(answer, bytes)
    return Handshake.read(answer[16:]).cookie


def packet(shake: Handshake, socket_id: int = 0) -> bytes:
    return control(ControlType.HANDSHAKE, 0, 5, socket_id, shake.encode())


def conclusion(cookie: int, socket_id: int = 77, *more: Block, flags: int = 0x3F, version: int = 0x010501) -> Handshake:
    blocks = (Block(ExtensionType.HSREQ, Capabilities(version, flags, 120, 0).encode()), *more)
    return Handshake(5, HandshakeType.CONCLUSION, 1, socket_id, cookie, extension=5, blocks=blocks)


def refused_with(answer: Any) -> int | None:
    assert isinstance(answer, bytes)
    return Handshake.read(answer[16:]).rejection


def test_an_induction_leaves_nothing_behind_and_is_not_amplified() -> None:
    server = listener()
    induction = packet(Handshake(4, HandshakeType.INDUCTION, 1, 77, extension=2))
    for number in range(10_000):
        answer = server.receive(induction, (f"198.51.100.{number % 250}", number), START)
        assert isinstance(answer, bytes)
        assert len(answer) <= len(induction)
    assert len(server) == server.half_open == 0


def test_a_cookie_is_good_for_its_address_and_for_its_time() -> None:
    server = listener()
    cookie = cookie_for(server)
    assert server.receive(packet(conclusion(cookie)), ("203.0.113.9", 5000), START) is None
    assert server.receive(packet(conclusion(cookie + 1)), CALLER, START) is None
    assert server.receive(packet(conclusion(cookie)), CALLER, START + 2 * limits.SRT_COOKIE_PERIOD) is None
    assert server.dropped["bad-cookie"] == 3
    assert isinstance(server.receive(packet(conclusion(cookie)), CALLER, START + limits.SRT_COOKIE_PERIOD), SrtEngine)


def test_half_open_connections_are_bounded_and_told() -> None:
    server = listener(half_open=3)
    cookie = cookie_for(server)
    for number in range(3):
        assert isinstance(server.receive(packet(conclusion(cookie, 100 + number)), CALLER, START), SrtEngine)
    assert refused_with(server.receive(packet(conclusion(cookie, 200)), CALLER, START)) == Reject.BACKLOG
    assert len(server) == 3


def test_connections_are_bounded_and_told() -> None:
    server = listener(sessions=1)
    cookie = cookie_for(server)
    assert isinstance(server.receive(packet(conclusion(cookie, 1)), CALLER, START), SrtEngine)
    assert refused_with(server.receive(packet(conclusion(cookie, 2)), CALLER, START)) == Reject.RESOURCE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"flags": 0x3F | Flag.STREAM}, Reject.MESSAGE_API),
        ({"version": 0x010200}, Reject.VERSION),
        ({"more": (Block(ExtensionType.CONGESTION, encode_text("file")),)}, Reject.CONGESTION),
        ({"more": (Block(ExtensionType.FILTER, encode_text("mix,cols:10")),)}, Reject.FILTER),
        ({"more": (Block(ExtensionType.GROUP, bytes(8)),)}, Reject.GROUP),
        ({"more": (Block(ExtensionType.KMREQ, bytes(72)),)}, Reject.UNSECURE),
    ],
)
def test_what_is_not_served_is_told_by_its_code(change: dict[str, Any], reason: Reject) -> None:
    server = listener()
    more = change.pop("more", ())
    shake = conclusion(cookie_for(server), 77, *more, **change)
    assert refused_with(server.receive(packet(shake), CALLER, START)) == reason
    assert len(server) == 0


def test_a_version_4_caller_is_refused_properly() -> None:
    server = listener()
    legacy = Handshake(4, HandshakeType.CONCLUSION, 1, 77, cookie_for(server))
    assert refused_with(server.receive(packet(legacy), CALLER, START)) == Reject.VERSION


@pytest.mark.parametrize(
    ("theirs", "ours", "reason"),
    [
        (Terms(passphrase="another secret"), SAFE, Reject.BAD_SECRET),
        (Terms(), SAFE, Reject.UNSECURE),
        (SAFE, Terms(), Reject.UNSECURE),
    ],
)
def test_secrets_that_do_not_agree(theirs: Terms, ours: Terms, reason: Reject) -> None:
    told: list[Rejected] = []
    network = Network(Call("read:a/b", theirs), admit=lambda _: ours)
    network.listener._on_refused = lambda _, why: told.append(why)
    network.run(500)
    assert isinstance(network.caller.error, Rejected)
    assert network.caller.error.reason is reason
    assert [why.reason for why in told] == [reason]
    assert network.accepted is None


def test_our_own_refusal_reaches_the_caller_and_is_repeated_when_it_was_lost() -> None:
    network = Network(decide=lambda _: Refuse(Reject.NOT_FOUND))
    network.down.loss = 0
    network.at(15, lambda: setattr(network.down, "loss", 1.0))  # the induction's answer came through
    network.at(200, lambda: setattr(network.down, "loss", 0.0))
    network.run(1000)
    assert isinstance(network.caller.error, Rejected)
    assert network.caller.error.reason is Reject.NOT_FOUND
    assert len(network.listener) == 0


def test_a_flood_of_passphrases_costs_a_bounded_share_of_a_core() -> None:
    server = SrtListener(lambda _: SAFE, SrtCiphers(), b"s" * 32, half_open=10_000)
    cookie = cookie_for(server)
    wrong = Block(ExtensionType.KMREQ, Keys(SrtCiphers(), "another secret", Seed(b"1")).create(16))
    answers = [
        refused_with(server.receive(packet(conclusion(cookie, number, wrong)), CALLER, START))
        for number in range(1, limits.SRT_KEY_DERIVATIONS + 20)
    ]
    assert answers.count(Reject.BAD_SECRET) == limits.SRT_KEY_DERIVATIONS
    assert answers.count(Reject.BACKLOG) == 19
    later = server.receive(packet(conclusion(cookie, 5000, wrong)), CALLER, START + NS_PER_S)
    assert refused_with(later) == Reject.BAD_SECRET


def test_a_decision_may_take_its_time() -> None:
    network = Network(decide=lambda _: None)
    network.run(1500)
    assert not network.caller.of(Established)
    network.command(network.callee, Accept())
    network.run(1600)
    assert network.caller.of(Established)


def test_nobody_waits_for_ever_for_a_decision() -> None:
    network = Network(decide=lambda _: None)
    network.run(100)
    callee = network.callee
    network.run(100 + limits.SRT_DECISION_TIMEOUT // 1_000_000 + 50)
    assert callee.over
    assert network.caller.over


def test_a_replayed_handshake_opens_nothing() -> None:
    network = Network()
    network.run(200)
    captured = [data for data in network.caller.sent if data[:2] == b"\x80\x00"]
    network.caller.engine.closed(network.now)
    network._drain(network.caller)
    network.run(400)
    assert len(network.listener) == 0
    for data in captured:
        network.arrive(data, upwards=True)
    assert len(network.listener) == 0
    assert network.listener.dropped["replayed-handshake"] == len(captured) - 1  # the first is an induction


def test_packets_from_elsewhere_do_not_reach_a_connection() -> None:
    network = Network()
    network.run(200)
    engine = network.callee.engine
    data = struct.pack(">IIII", 1, 0xC0000001, 0, engine.socket_id) + bytes(188)
    assert network.listener.receive(data, ("203.0.113.66", 1), network.now) is None
    shutdown = control(ControlType.SHUTDOWN, 0, 0, engine.socket_id)
    assert network.listener.receive(shutdown, ("203.0.113.66", 1), network.now) is None
    assert network.listener.dropped["foreign-address"] == 2
    assert not network.callee.over


def test_a_caller_that_is_never_answered_gives_up() -> None:
    engine = SrtCaller(Call("read:a/b"), LISTENER, SrtCiphers(), Seed(b"1"), START)
    sent = 0
    for tick in range(40):
        engine.wake(START + tick * NS_PER_S // 10)
        sent += sum(isinstance(output, Transmit) for output in drained(engine))
    assert engine.state.name == "CLOSED"
    assert sent > 5


def drained(engine: SrtEngine) -> Iterator[Any]:
    while (output := engine.poll()) is not None:
        yield output


# --- anything at all ---


HEADERS = st.builds(
    lambda first, second, stamp, body: struct.pack(">III", first, second, stamp) + b"ID__" + body,
    st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from([0x80000000 | kind << 16 for kind in (*range(9), 0x7FFF)])),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=96),
)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=80), HEADERS), max_size=12))
def test_any_datagrams_do_no_harm_to_a_connection(datagrams: list[bytes]) -> None:
    network = Network()
    network.run(200)
    check_survives(network, datagrams)


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.bin")))
def test_what_did_harm_once_does_none(name: str) -> None:
    network = Network()
    network.run(200)
    check_survives(network, [(CORPUS / name).read_bytes()])


def check_survives(network: Network, datagrams: list[bytes]) -> None:
    """The connection takes them all and keeps its bounds; what it delivers later is whole."""
    callee = network.callee
    for data in datagrams:
        ours = data[:12] + callee.engine.socket_id.to_bytes(4) + data[16:] if data[12:16] == b"ID__" else data
        network.arrive(ours, upwards=True)
    receiver = callee.engine._receiver
    assert receiver is not None
    buffer = receiver._buffer
    assert len(buffer) <= limits.SRT_WINDOW
    assert buffer.top - buffer.head <= limits.SRT_WINDOW
    network.run(1200)
    if not callee.over:
        network.run(1300)
        assert all(isinstance(payload, bytes) for event in callee.of(Received) for payload in event.payloads)
