"""A datagram socket with a tape at it: each peer that is heard of, or sent to, is somebody on the tape.

What a datagram's peer has to do with the recorded stream is known late, or from elsewhere: of an SRT caller its stream
id tells, of RTP over UDP the RTSP connection that arranged it, of a feed its endpoint.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime.seams import Opened, Source
from arcly_actors.script.masks import Mask
from arcly_actors.transport.addresses import Address

_SRT = "srt"
_OF_RTSP = ("-rtp", "-rtcp")
"""How the names end of sockets whose peers belong to an RTSP connection."""


@dataclass(eq=False, slots=True)
class Recorded:
    """A connection or a peer: `wanted` is None until it is known whether it belongs on the tape; `mask` hides secrets."""

    who: str
    wanted: bool | None
    peer: str = ""
    mask: "Mask | None" = None


@dataclass(slots=True)
class Peer:
    """Who sends or is sent datagrams, and whose `decision` it is whether that is recorded. `told`: there is an `open`."""

    who: str
    decision: Recorded
    told: bool = False


class Writing(Protocol):
    """What a tap asks of its tape."""

    def came(self, decision: Recorded, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """Put down what came in."""
        ...

    def put(self, source: Recorded | None, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """Put down what comes of it."""
        ...

    def drawing(self, decision: Recorded | None) -> None:
        """Entropy that is drawn from now on is this one's."""
        ...

    def datagram_peer(self, on: str, address: Address) -> Peer | None:
        """Who that is; None for nobody of interest."""
        ...


class DatagramTap:
    """See `runtime.seams.Tap`. Those who were known `before` it began are not recorded: what they said is missing."""

    def __init__(self, tape: Writing, opened: Opened, before: Iterable[Source] = ()) -> None:
        self._tape = tape
        self._on = opened.on
        self._local = str(opened.socket.bound)
        self._before = {str(Address.of_peer(source)) for source in before}
        self._peers: dict[Source, Peer] = {}
        self._nobody: set[Source] = set()

    def hearing(self, deliver: Any) -> Any:
        """See `Tap.hearing`; of a feed the host is known only."""
        tape = self._tape

        def heard(data: Any, source: Any, *more: Any) -> None:
            peer = self._peer(source if isinstance(source, tuple) else (source, 0))
            if peer is None:
                deliver(data, source, *more)
                return
            tape.came(peer.decision, "datagram", {"who": peer.who}, bytes(data))
            tape.drawing(peer.decision)
            try:
                deliver(data, source, *more)
            finally:
                tape.drawing(None)

        return heard

    def hears(self, to: Source) -> bool:
        """See `Tap.hears`."""
        return self._peer(to) is not None

    def beside(self) -> None:
        """Whose some datagrams are is known now: who was nobody, or another, may be somebody."""
        if self._on.endswith(_OF_RTSP):
            self._nobody.clear()
            self._peers.clear()
            self._before.clear()

    def went(self, data: bytes | memoryview, to: Source) -> None:
        """See `Tap.went`."""
        peer = self._peer(to)
        if peer is not None:
            self._tape.put(peer.decision, "sent", {"who": peer.who}, bytes(data))

    def _peer(self, source: Source) -> Peer | None:
        """None for who is not recorded."""
        known = self._peers.get(source)
        if known is not None:
            return known if known.decision.wanted is not False else None
        if source in self._nobody:
            return None
        address = Address.of_peer(source)
        found = None if str(address) in self._before else self._tape.datagram_peer(self._on, address)
        if found is None:
            if len(self._nobody) < limits.TAPE_PEERS:
                self._nobody.add(source)
            return None
        self._peers[source] = found
        if found.told:
            return found
        found.told = True
        told = {"who": found.who, "on": self._on, "peer": str(address), "local": self._local, "udp": True}
        self._tape.put(found.decision, "open", told)
        return found


@dataclass(slots=True)
class DatagramPeers:
    """Whose datagrams a tape records. `belongs` says of a socket's name whether all of it does (None: each peer will
    tell); one of whom nothing was heard in time is settled, as not.
    """

    belongs: Callable[[str], bool | None]
    name: Callable[[str, Address], str]
    by_peer: dict[str, Recorded]
    later: Callable[[float, Callable[[], object]], object]
    settle: Callable[[Recorded], None]
    _beside: dict[str, Recorded] = field(default_factory=dict)
    _known: dict[tuple[str, str], Peer] = field(default_factory=dict)

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """See `runtime.seams.Tape.beside`."""
        decision = self.by_peer.get(owner)
        named = {str(Address.of_peer(peer)) for peer in peers}
        for on, address in list(self._known):
            if address in named and on.endswith(_OF_RTSP):
                del self._known[on, address]  # whoever had that address before
        for address in named:
            self._beside.pop(address, None)
            if decision is not None:
                self._beside[address] = decision

    def find(self, on: str, address: Address) -> Peer | None:
        """See `Writing.datagram_peer`."""
        known = self._known.get((on, str(address)))
        if known is not None or len(self._known) >= limits.TAPE_PEERS:
            return known
        if on.endswith(_OF_RTSP):
            decision = self._beside.get(str(address)) or self._beside.get(str(Address(address.host, 0)))
        else:
            decision = self._decision(on, address)
        if decision is None:
            return None
        who = self.name(on, address) if on.endswith(_OF_RTSP) else decision.who
        found = self._known[on, str(address)] = Peer(who, decision)
        return found

    def _decision(self, on: str, address: Address) -> Recorded | None:
        wanted = self.belongs(on)
        if wanted is False:
            return None
        made = Recorded(self.name(on, address), wanted, str(address))
        if on == _SRT:
            self.by_peer[made.peer] = made
        else:  # how a feed names its sender in events
            self.by_peer |= {f"{scheme}://{address.host}": made for scheme in ("udp", "rtp")}
        if wanted is None:
            self.later(limits.TAPE_UNDECIDED_FOR / NS_PER_S, partial(self.settle, made))
        return made
