"""Two engines across a seeded bad network, in virtual time: what live mode promises."""

from functools import partial
from itertools import pairwise

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.caller import Call
from arcly_actors.protocols.srt.engine import PeerSilent
from arcly_actors.protocols.srt.events import Disconnect, Established
from arcly_actors.protocols.srt.tsbpd import PeerClock
from tests.support.srt_network import Network, Side, Weather

PACKETS = 500
"""Two and a half seconds at 200 packets a second."""


def stream(network: Network, side: Side, *, start: float = 200, packets: int = PACKETS, every: float = 5) -> list[bytes]:
    """Have a side send numbered packets of full size, one by one."""
    payloads = [number.to_bytes(4) * 329 for number in range(packets)]
    for number, payload in enumerate(payloads):
        network.at(start + number * every, partial(network.send, side, payload))
    return payloads


def connected(**options: object) -> Network:
    network = Network(**options)  # type: ignore[arg-type]
    network.run(150)
    assert network.caller.of(Established)
    assert network.callee.of(Established)
    return network


def test_a_quiet_network_delivers_everything_when_it_is_due() -> None:
    network = connected()
    sent = stream(network, network.caller)
    network.run(4000)
    callee = network.callee
    assert callee.payloads == sent
    lateness = [at - (200 + number * 5) for number, at in enumerate(callee.delivered)]
    assert min(lateness) >= 120
    assert max(lateness) <= 120 + 10 + 10 + 1  # latency, the way, a tick
    assert network.caller.engine.statistics(network.now).pktSndLoss == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("downwards", [False, True])
def test_ten_percent_loss_with_jitter_and_reordering_is_mended_in_four_round_trips(seed: int, downwards: bool) -> None:
    weather = Weather(loss=0.10, jitter=30, delay=10, twice=0.02)
    latency = Terms(latency=4 * 80 * NS_PER_MS)  # 20 ms of way, up to 60 of jitter
    network = connected_through(weather, latency, seed)
    sent = stream(network, network.callee if downwards else network.caller, start=3000)
    network.run(8000)
    taker = network.caller if downwards else network.callee
    assert taker.payloads == sent
    counted = taker.engine.statistics(network.now)
    assert counted.pktRcvLoss > PACKETS // 20
    assert counted.pktRcvDrop == 0
    assert counted.pktReorderDistance > 0


def connected_through(weather: Weather, terms: Terms, seed: int) -> Network:
    network = Network(
        Call("read:live/cam", terms),
        admit=lambda _: terms,
        up=weather,
        down=Weather(weather.loss, weather.twice, weather.delay, weather.jitter),
        seed=seed,
    )
    network.run(2800)
    assert network.caller.of(Established)
    return network


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_too_late_is_dropped_counted_and_never_out_of_order(seed: int) -> None:
    terms = Terms(latency=60 * NS_PER_MS)  # less than one round trip: nothing can be mended in time
    network = connected_through(Weather(loss=0.10, delay=40, jitter=30), terms, seed)
    sent = stream(network, network.caller, start=3000)
    network.run(8000)
    got = network.callee.payloads
    numbers = [int.from_bytes(payload[:4]) for payload in got]
    assert numbers == sorted(set(numbers))
    counted = network.callee.engine.statistics(network.now)
    assert counted.pktRcvDrop == len(sent) - len(got) > 10
    assert counted.pktRcvBelated > 0


@pytest.mark.parametrize("size", [16, 24, 32])
def test_encrypted_streams_go_both_ways_and_keys_are_refreshed(size: int) -> None:
    terms = Terms(passphrase="correct horse battery", key_size=size, refresh=100, announce=20)
    network = Network(
        Call("publish:live/cam", terms), admit=lambda _: terms, up=Weather(loss=0.05), down=Weather(loss=0.05)
    )
    network.run(1000)
    up = stream(network, network.caller, start=1000)
    down = stream(network, network.callee, start=1000)
    network.run(6000)
    assert network.callee.payloads == up
    assert network.caller.payloads == down
    assert network.caller.of(Established)[0].encrypted
    for side, clear in ((network.caller, up), (network.callee, down)):
        data = [packet for packet in side.sent if packet[0] < 0x80]
        assert {packet[4] >> 3 & 3 for packet in data} == {1, 2}  # both keys were in use
        assert not {packet[16:] for packet in data} & set(clear)
        assert side.engine.statistics(network.now).pktRcvUndecrypt == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_key_that_the_peer_has_not_confirmed_is_not_used(seed: int) -> None:
    """Frames leave as trains: the next key was announced behind packets that were under it already."""
    terms = Terms(passphrase="correct horse battery", key_size=16, refresh=90, announce=4, latency=500 * NS_PER_MS)
    weather = Weather(loss=0.1, delay=20, jitter=15)
    network = Network(Call("publish:live/cam", terms), admit=lambda _: terms, up=weather, down=weather, seed=seed)
    network.run(2000)
    payloads = [number.to_bytes(4) * 329 for number in range(900)]
    for number, payload in enumerate(payloads):
        network.at(2000 + number // 30 * 100, partial(network.send, network.caller, payload))
    network.run(8000)
    assert network.callee.engine.statistics(network.now).pktRcvUndecrypt == 0
    assert network.callee.payloads == payloads
    turns = [packet[4] >> 3 & 3 for packet in network.caller.sent if packet[0] < 0x80]
    assert sum(one != other for one, other in pairwise(turns)) > 5


def test_a_silent_peer_is_over_after_five_seconds() -> None:
    network = connected()
    stream(network, network.caller, packets=20)
    network.at(1000, lambda: setattr(network.up, "loss", 1.0))
    network.run(4900)
    callee = network.callee
    assert not callee.over
    network.run(7000)
    assert isinstance(callee.error, PeerSilent)
    assert len(network.callee.payloads) == 20


def test_time_in_which_we_did_not_look_is_no_silence_of_the_peer() -> None:
    network = connected()
    sent = stream(network, network.caller, packets=200)
    network.run(1500)
    network.now += 6 * NS_PER_S  # the machine stood still, or something held our loop up
    network.run(20_000)
    assert not network.callee.over
    assert not network.caller.over
    assert network.callee.payloads == sent


def test_an_idle_connection_is_kept_alive_and_shut_down_in_an_orderly_way() -> None:
    network = connected()
    network.run(60_000)
    assert not [side.error for side in (network.caller, network.callee) if side.over]
    network.command(network.caller, Disconnect("enough"))
    network.run(60_100)
    assert network.callee.over
    assert network.callee.error is None
    assert len(network.listener) == 0


def test_the_last_packets_before_silence_are_mended_too() -> None:
    dropped: list[bytes] = []

    def filter_up(data: bytes) -> bool:
        if data[0] < 0x80 and len(dropped) < 3 and network.ms > 200 + 97 * 5:
            dropped.append(data)
            return False
        return True

    network = Network(filter_up=filter_up, admit=lambda _: Terms(latency=400 * NS_PER_MS))
    network.run(150)
    sent = stream(network, network.caller, packets=100)
    network.run(3000)
    assert len(dropped) >= 2
    assert network.callee.payloads == sent


def test_a_burst_is_paced_and_a_peer_that_does_not_acknowledge_stops_it() -> None:
    network = connected()
    burst = [number.to_bytes(4) * 329 for number in range(1000)]
    network.at(200, lambda: network.send(network.caller, *burst))
    network.run(201)
    assert network.caller.engine.pending == (1000 - limits.SRT_BURST) * 1316
    network.run(2000)
    assert network.callee.payloads == burst
    assert network.caller.engine.pending == 0


def test_time_stamps_wrap_after_71_minutes() -> None:
    network = connected()
    wrap = (1 << 32) / 1000  # ms
    sent = stream(network, network.caller, start=wrap - 1500)
    network.run(wrap + 3000)
    assert network.callee.payloads == sent
    lateness = [at - (wrap - 1500 + number * 5) for number, at in enumerate(network.callee.delivered)]
    assert min(lateness) >= 120
    assert max(lateness) <= 145


def test_sequence_numbers_wrap() -> None:
    network = connected()
    caller, callee = network.caller.engine, network.callee.engine
    near = 0x7FFF_FFFF - 100
    for half, name in ((caller._sender, "first"), (caller._sender, "next")):
        setattr(half, name, near)
    buffer = callee._receiver._buffer  # type: ignore[union-attr]
    buffer.head = buffer.top = near
    callee._receiver._acked = callee._receiver._confirmed = near  # type: ignore[union-attr]
    network.up.loss = network.down.loss = 0.05
    sent = stream(network, network.caller)
    network.run(4500)
    assert network.callee.payloads == sent


def test_a_sender_says_what_it_has_dropped() -> None:
    """The receiver would wait for it for as long as its latency: here much longer than the sender keeps packets."""
    terms = Terms(latency=3000 * NS_PER_MS)
    lost: list[bytes] = []

    def filter_up(data: bytes) -> bool:
        sequence = int.from_bytes(data[:4])
        if data[0] < 0x80 and sequence & 0x7FFF_FFFF in gone:
            lost.append(data)
            return False
        return True

    gone: set[int] = set()
    network = Network(admit=lambda _: Terms(latency=20 * NS_PER_MS), filter_up=filter_up, call=Call("read:a/b"))
    network.run(150)
    sender = network.caller.engine._sender
    assert sender is not None
    sender._drop_after = 100 * NS_PER_MS
    receiver = network.callee.engine._receiver
    assert receiver is not None
    receiver._clock.latency = terms.latency
    gone.update((sender.first + number) & 0x7FFF_FFFF for number in (10, 11))
    sent = stream(network, network.caller, packets=200)
    network.run(5000)
    assert lost
    assert network.callee.payloads == [*sent[:10], *sent[12:]]
    assert network.caller.engine.statistics(network.now).pktSndDrop > 0
    assert any(data[:2] == b"\x80\x07" for data in network.caller.sent)
    assert network.callee.engine.statistics(network.now).pktRcvDrop == 2


def test_a_clock_that_drifts_is_followed() -> None:
    """500 ppm, far more than quartz does: without correction 40 s would be 20 ms off."""
    clock = PeerClock(0, 0, 120 * NS_PER_MS)
    for number in range(4000):
        now = number * 10 * NS_PER_MS
        clock.sample(now * 10_005 // 10_000 // 1000 & 0xFFFF_FFFF, now, 0)
    late = clock.sent(40_000 * 1000 * 10_005 // 10_000) - 40_000 * NS_PER_MS
    assert abs(late) < 8 * NS_PER_MS


def test_a_closed_engine_takes_nothing_any_more() -> None:
    network = connected()
    network.command(network.caller, Disconnect("enough"))
    for data in network.callee.sent:
        network.caller.engine.receive(data, network.now)
    network.command(network.caller, Disconnect("again"))
    network.caller.engine.wake(network.now)
    assert network.caller.engine.poll() is None
