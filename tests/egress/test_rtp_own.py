"""What one viewer alone was sent: bounded in packets and time, and good for a path that loses one packet in twenty."""

import random

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.rtp_own import OwnPackets
from arcly_actors.egress.rtp_slice import Layout, Slice
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.nack import NackGenerator
from arcly_actors.protocols.rtp.payload.unit import RtpChunk
from arcly_actors.protocols.rtp.resend import ResendGate

LAYOUT = Layout(CodecId.H264, 1, 96)


class Sender:
    """Numbers packets for one viewer and remembers them."""

    def __init__(self, sequence: int) -> None:
        self.own = OwnPackets()
        self._next = sequence

    def send(self, count: int, now: int) -> list[bytes]:
        chunks = [RtpChunk(bytes((index & 0xFF,)) * 20) for index in range(count)]
        one = Slice(CodecId.H264, 0, self._next, 0, chunks, opens=True, keyframe=False)
        self.own.add(one, self._next, 0, 0, now)
        self._next = one.end
        return one.made(LAYOUT, one.sequence, 0, 0)

    def find(self, sequence: int, now: int) -> bytes | None:
        return self.own.find(sequence, LAYOUT, now)


def test_it_is_bounded_in_packets_and_time() -> None:
    sender = Sender(0)
    for sequence in range(3 * limits.HISTORY_PACKETS):
        sender.send(1, sequence)
        assert len(sender.own) <= limits.HISTORY_PACKETS
    newest = 3 * limits.HISTORY_PACKETS - 1
    assert sender.find(newest & 0xFFFF, newest) is not None
    sender.send(0, 3 * limits.HISTORY_PACKETS + limits.HISTORY_TIME)
    assert len(sender.own) == 0


def test_it_forgets_by_time_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_TIME", NS_PER_S)
    monkeypatch.setattr(limits, "HISTORY_PACKETS", 10)
    sender = Sender(65534)
    first, second = sender.send(4, 0), sender.send(4, NS_PER_S)
    assert sender.find(65535, NS_PER_S) == first[1]
    assert sender.find(0, NS_PER_S) == first[2]
    sender.send(4, NS_PER_S + 1)
    assert sender.find(65535, NS_PER_S + 1) is None
    assert (len(sender.own), sender.find(2, NS_PER_S + 1)) == (8, second[0])
    sender.send(4, NS_PER_S + 2)
    assert len(sender.own) == 8
    assert sender.find(6, 2 * NS_PER_S + 3) is None
    assert len(sender.own) == 0


@pytest.mark.parametrize("seed", range(4))
def test_nacks_repair_a_lossy_path(seed: int) -> None:
    """5 % loss both ways, 20 ms each way with 10 ms of jitter, one packet a millisecond for two seconds."""
    dice = random.Random(seed)
    sender = Sender(65000)
    buffer, nacks, gate = JitterBuffer(), NackGenerator(rtt=45 * NS_PER_MS), ResendGate(share=10**6, rtt=45 * NS_PER_MS)
    flying: list[tuple[int, bytes]] = []
    asking: list[tuple[int, int]] = []
    out: list[int] = []

    def send(wire: bytes, now: int) -> None:
        if dice.random() >= 0.05:
            flying.append((now + dice.randrange(20, 30), wire))

    for now in range(2400):
        if now < 2000:
            send(sender.send(1, now * NS_PER_MS)[0], now)
        for item in [item for item in flying if item[0] <= now]:
            flying.remove(item)
            packet = rtp.parse(item[1])
            nacks.received(packet.sequence, now * NS_PER_MS)
            buffer.push(packet, now * NS_PER_MS)
        out += [item.packet.sequence for item in buffer.pop(now * NS_PER_MS)]
        if dice.random() >= 0.05:
            asking += [(now + 20, sequence) for sequence in nacks.due(now * NS_PER_MS)]
        for asked in [asked for asked in asking if asked[0] <= now]:
            asking.remove(asked)
            found = sender.find(asked[1], now * NS_PER_MS)
            if found and gate.admits(asked[1], len(found), now * NS_PER_MS):
                send(found, now)
    assert len(out) > 1990
    assert out == sorted(out, key=lambda sequence: (sequence - 65000) & 0xFFFF)
    assert buffer.counts["missing"] <= 5
