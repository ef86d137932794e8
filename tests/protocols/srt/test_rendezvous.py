"""Two ends that call each other: whoever initiates, whatever is lost, with and without the same secret."""

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from arcly_actors.clock import NS_PER_MS
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.events import Established, Received, Send, Train
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.rendezvous import SrtRendezvous
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.transport.srt_ciphers import SrtCiphers
from tests.support.srt_network import START, datagrams

SAFE = Terms(passphrase="correct horse battery", key_size=32)


class Meeting:
    """Both ends, and what they told; the second begins `late` ms after the first."""

    def __init__(self, terms: tuple[Terms, Terms], *, loss: float = 0.0, seed: int = 1, late: int = 0) -> None:
        self.now = START
        self.events: tuple[list[Any], list[Any]] = ([], [])
        self.ends: list[SrtRendezvous | None] = [None, None]
        self._chance = random.Random(seed)
        self._loss = loss
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        for at, each in enumerate(terms):
            self._later(late * at, lambda at=at, each=each: self._begin(at, each, seed))  # type: ignore[misc]

    def _begin(self, at: int, terms: Terms, seed: int) -> None:
        self.ends[at] = SrtRendezvous(terms, "peer", SrtCiphers(), Seed(bytes([seed, at]) * 16), self.now)
        self._drain(at)

    def _later(self, ms: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + int(ms * NS_PER_MS), next(self._numbers), do))

    def run(self, ms: int) -> None:
        end = self.now + ms * NS_PER_MS
        while self._queue and self._queue[0][0] <= end:
            self.now, _, do = heapq.heappop(self._queue)
            do()
        self.now = end

    def send(self, at: int, *payloads: bytes) -> None:
        end = self.ends[at]
        assert end is not None
        end.command(Send(payloads), self.now)
        self._drain(at)

    def _drain(self, at: int) -> None:
        end = self.ends[at]
        assert end is not None
        while (output := end.poll()) is not None:
            if isinstance(output, Transmit | Train):
                for data in datagrams(output):
                    if self._chance.random() >= self._loss:
                        self._later(10, lambda data=data: self._arrive(1 - at, data))  # type: ignore[misc]
            elif isinstance(output, WakeAt):
                if output.at is not None:
                    self._later((output.at - self.now) / NS_PER_MS + 0.001, lambda: self._wake(at))
            else:
                self.events[at].append(output.event if isinstance(output, Emit) else output)

    def _wake(self, at: int) -> None:
        end = self.ends[at]
        assert end is not None
        end.wake(self.now)
        self._drain(at)

    def _arrive(self, at: int, data: bytes) -> None:
        end = self.ends[at]
        if end is not None:
            end.receive(data, self.now)
            self._drain(at)

    def of(self, at: int, kind: type[Any]) -> list[Any]:
        return [event for event in self.events[at] if isinstance(event, kind)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", [0.0, 0.25])
@pytest.mark.parametrize("terms", [Terms(), SAFE], ids=["clear", "encrypted"])
def test_both_ends_find_each_other_and_exchange_packets(terms: Terms, loss: float, seed: int) -> None:
    meeting = Meeting((terms, terms), loss=loss, seed=seed, late=100 * (seed % 3))
    meeting.run(2900)
    for at in (0, 1):
        (established,) = meeting.of(at, Established)
        assert established.encrypted == bool(terms.passphrase)
    for at in (0, 1):
        meeting.send(at, *(bytes([at, number]) * 100 for number in range(20)))
    meeting.run(1500)
    for at in (0, 1):
        got = [payload for event in meeting.of(1 - at, Received) for payload in event.payloads]
        expected = [bytes([at, number]) * 100 for number in range(20)]
        assert got == expected if not loss else set(got) <= set(expected)


def test_either_end_may_initiate() -> None:
    initiators = set()
    for seed in range(8):
        meeting = Meeting((Terms(), Terms()), seed=seed)
        meeting.run(500)
        assert meeting.ends[0] is not None
        initiators.add(meeting.ends[0]._initiates)
    assert initiators == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_ends_with_other_secrets_refuse_each_other(seed: int) -> None:
    meeting = Meeting((SAFE, Terms(passphrase="another secret")), seed=seed)
    meeting.run(3500)
    reasons = []
    for at in (0, 1):
        (hangup,) = meeting.of(at, Hangup)
        assert isinstance(hangup.error, Rejected)
        reasons.append(hangup.error.reason)
    assert Reject.BAD_SECRET in reasons


def test_an_end_that_is_alone_gives_up() -> None:
    meeting = Meeting((Terms(), Terms()), late=10_000)
    meeting.run(3100)
    (hangup,) = meeting.of(0, Hangup)
    assert isinstance(hangup.error, Rejected)
    assert hangup.error.reason is Reject.TIMEOUT
