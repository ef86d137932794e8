"""Hostile datagrams at a WebRTC port: DTLS of the corpus in every state of a session, and what strangers get back."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_S
from arcly_actors.endpoints.webrtc import LiteIce
from arcly_actors.runtime import System, run_virtual
from arcly_actors.transport.dtls_srtp import RtpArrived, TransportClosed, TransportConnected
from tests.support.virtual import Probe, in_virtual_time, pass_time
from tests.support.webrtc_peer import Peer
from tests.transport.test_webrtc_session import PACKET, Net

CORPUS = Path(__file__).parents[1] / "corpora" / "webrtc"
DTLS = {path.name: path.read_bytes() for path in sorted((CORPUS / "dtls").iterdir())}
STUN = [path.read_bytes() for path in sorted((CORPUS / "stun").iterdir())]


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("data", DTLS.values(), ids=DTLS)
def test_amid_a_handshake(data: bytes, passive: bool) -> None:
    """The handshake goes on or ends; nothing raises, and the port serves the next peer."""

    async def scenario(system: System) -> None:
        net, owner = Net(system), Probe(system)
        failures: list[Any] = []
        system.failures.subscribe(failures.append)
        peer, _ = await net.open(owner.ref, Peer(passive=passive))
        peer.check()
        await pass_time(1)
        peer.out(data)
        peer.out(data + data)
        await pass_time(1)
        assert failures == []
        closed = owner.of(TransportClosed)
        assert all(message.reason in {"DTLS failed", "the peer closed"} for message in closed)
        assert (await net.figures()).sessions == (0 if closed else 1)
        await net.call(Probe(system).ref, Peer(passive=passive))

    run_virtual(scenario)


@pytest.mark.parametrize("passive", [False, True])
@in_virtual_time
async def test_into_a_call(system: System, passive: bool) -> None:
    """Whoever can send with the peer's address, but does not have the keys, changes nothing."""
    net, owner = Net(system), Probe(system)
    peer, _ = await net.call(owner.ref, Peer(passive=passive))
    for data in DTLS.values():
        peer.out(data)
    await pass_time(NS_PER_S)
    peer.send_rtp(PACKET)
    assert (await owner.next(RtpArrived)).data == PACKET
    assert owner.of(TransportClosed) == []


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(list(DTLS.values())), st.integers(0, 400), st.integers(0, 255)), max_size=8),
    st.booleans(),
)
def test_damaged_at_any_time(arriving: list[tuple[bytes, int, int]], passive: bool) -> None:
    async def scenario(system: System) -> None:
        net, owner = Net(system), Probe(system)
        failures: list[Any] = []
        system.failures.subscribe(failures.append)
        peer, _ = await net.open(owner.ref, Peer(passive=passive))
        peer.check()
        await pass_time(1)
        for whole, at, value in arriving:
            data = bytearray(whole)
            data[at % len(data)] = value
            peer.out(bytes(data))
            await pass_time(NS_PER_S // 10)
        assert failures == []
        assert len(owner.of(TransportClosed)) + (await net.figures()).sessions == 1

    run_virtual(scenario)


@pytest.mark.parametrize("seed", range(3))
@in_virtual_time
async def test_strangers_never_get_more_than_they_sent(system: System, seed: int) -> None:
    """Requests with and without the password, of every size and with unknown attributes, from forged addresses."""
    dice = random.Random(seed)
    net, owner = Net(system, LiteIce()), Probe(system)
    peer, _ = await net.open(owner.ref)
    received, validated = Counter[Any](), set[Any]()
    seeds = [*STUN, *DTLS.values()]
    for number in range(600):
        source = ("198.51.100.1", number % 50)
        kind = dice.randrange(4)
        data = dice.choice(seeds) if kind == 0 else b"\x80" + dice.randbytes(dice.randrange(1, 100))
        if kind >= 2:
            data = _check(peer, unknown=dice.randrange(3), right=kind == 3, controls=number % 3 > 0)
            if kind == 3:
                validated.add(source)
        received[source] += len(data)
        net.udp.arrive(data, source)
    await pass_time(1)
    sent = Counter[Any]()
    for data, source in net.udp.sent:
        sent[source] += len(data)
    answered = {source for source in sent if source not in validated}
    assert answered == set()
    for source, size in sent.items():
        assert size <= received[source]
    assert owner.of(TransportConnected) == []


@in_virtual_time
async def test_an_error_is_not_longer_than_what_it_answers(system: System) -> None:
    net, owner = Net(system, LiteIce()), Probe(system)
    peer, _ = await net.open(owner.ref)
    source = ("198.51.100.1", 1)
    for unknown in range(1, 20):
        net.udp.sent.clear()
        data = _check(peer, unknown=unknown, right=True, controls=True)
        net.udp.arrive(data, source)
        await pass_time(1)
        assert sum(len(reply) for reply, _ in net.udp.sent) <= len(data)
    assert net.udp.sent != []
    assert (await net.figures()).addresses == 0


def _check(peer: Peer, *, unknown: int, right: bool, controls: bool) -> bytes:
    """A check with so many attributes that must be understood and are not."""
    local = peer.transport.local
    message = stun.Message(
        stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": f"{local.ufrag}:{peer.credentials.ufrag}"}
    )
    message.attributes["ICE-CONTROLLING" if controls else "ICE-CONTROLLED"] = 1
    plain = bytes(message)
    body = plain[20:] + b"".join(bytes((0x7F, number, 0, 0)) for number in range(unknown))
    head = plain[:2] + (len(body) + 24).to_bytes(2, "big") + plain[4:20]
    mac = stun.message_integrity(head + body, (local.pwd if right else "wrong" * 5).encode())
    return head + body + b"\x00\x08\x00\x14" + mac
