"""A datagram socket whose faults are asked for: what a peer sends is lost, or comes late and in another order."""

import heapq
import itertools
from collections.abc import Callable, Collection
from typing import Any

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime.seams import Opened, Source
from arcly_actors.script.faulty_ways import Chance, Met, Way
from arcly_actors.transport.addresses import Address

_Came = tuple[Any, Any, tuple[Any, ...]]
"""A datagram, where from, and what else its socket tells of it."""


class FaultyPeer:
    """Somebody who sends datagrams; of a feed a host. `arranger` is the connection that arranged it, if one did."""

    def __init__(self, chance: Chance, names: tuple[str, ...], peer: str, arranger: Met | None = None) -> None:
        self._chance = chance
        self._way = Way(chance, again=False)
        self._own = names
        self._arranger = arranger
        self._heard_at = chance.now()
        self._silent_until = 0
        self.peer = peer
        self.learns = True

    @property
    def names(self) -> tuple[str, ...]:
        """See `Met`: also what the connection is called that it belongs to."""
        return self._own if self._arranger is None else (*self._own, *self._arranger.names)

    @names.setter
    def names(self, names: tuple[str, ...]) -> None:
        """See `Met`."""
        self._own = names

    @property
    def stands(self) -> bool:
        """See `Met.stands`: something came of late."""
        if self._arranger is not None and not self._arranger.stands:
            return False
        now = self._chance.now()
        return self._silent_until <= now < self._heard_at + limits.FAULT_SILENCE

    @property
    def over(self) -> bool:
        """See `Met.over`: it may come back, but is then met anew."""
        return self._chance.now() >= max(self._silent_until, self._heard_at) + limits.FAULT_SILENCE

    def sever(self) -> None:
        """See `Met.sever`: nothing comes any more until that has been noticed."""
        self._silent_until = self._chance.now() + limits.FAULT_SILENCE

    def arrives(self, now: int) -> int | None:
        """When (ns) what comes now does."""
        if now < self._silent_until:
            return None
        self._heard_at = now
        self._way.names = self.names
        return self._way.arrives(now, ordered=False)


class FaultyDatagrams:
    """Implements `runtime.seams.Tap`; the last of its socket's, so that tapes hear of what it lets pass. `meet` says who
    somebody is that has not been heard before.
    """

    def __init__(self, chance: Chance, opened: Opened, meet: Callable[[Opened, Source], FaultyPeer]) -> None:
        self._chance = chance
        self._opened = opened
        self._meet = meet
        self._peers: dict[Source, FaultyPeer] = {}
        self._late: list[tuple[int, int, _Came]] = []
        self._numbers = itertools.count()
        self._ready: list[_Came] = []
        opened.socket.taps = (*opened.socket.taps, self)

    def hearing(self, deliver: Any) -> Any:
        """See `Tap.hearing`; what was late and is due comes first."""
        ready, self._ready = self._ready, []
        for data, source, more in ready:
            deliver(memoryview(bytearray(data)) if more else data, source, *more)

        def heard(data: Any, source: Any, *more: Any) -> None:
            now = self._chance.now()
            due = self._peer(source if isinstance(source, tuple) else (source, 0)).arrives(now)
            if due is None:
                return
            if due <= now or len(self._late) >= limits.FAULT_BACKLOG:
                deliver(data, source, *more)
                return
            heapq.heappush(self._late, (due, next(self._numbers), (bytes(data), source, more)))
            self._chance.loop.call_later((due - now) / NS_PER_S, self._next)

        return heard

    def hears(self, to: Source) -> bool:
        """See `Tap.hears`: what is sent is left alone."""
        del to
        return False

    def went(self, data: bytes | memoryview, to: Source) -> None:
        """See `Tap.went`."""

    def beside(self, addresses: Collection[str]) -> None:
        """Who has these addresses is somebody else from now on; one with port 0 is a host's."""
        for source in list(self._peers):
            address = Address.of_peer(source)
            if str(address) in addresses or str(Address(address.host, 0)) in addresses:
                del self._peers[source]

    def close(self) -> None:
        """No more faults; what waits comes."""
        while self._late:
            self._next()
        self._opened.socket.taps = tuple(each for each in self._opened.socket.taps if each is not self)

    def _next(self) -> None:
        """A timer is over, of which there is one for each that is late: the earliest of them is due."""
        if self._late:
            self._ready.append(heapq.heappop(self._late)[2])
            self._opened.socket.poke()

    def _peer(self, source: Source) -> FaultyPeer:
        found = self._peers.get(source)
        if found is None or found.over:
            if len(self._peers) >= limits.TAPE_PEERS:
                self._peers.clear()
            found = self._peers[source] = self._meet(self._opened, source)
        return found


def shown(on: str, source: Source) -> str:
    """How events name such a peer."""
    address = Address.of_peer(source)
    return f"udp://{address.host}" if on.startswith("mpegts") else str(address)
