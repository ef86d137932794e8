"""Sources and sinks on a tape: that there is one, what it dials, who answers, and what the two say to each other.

One that had an answer before the tape began is not on it: its publisher is by frames. So is one whose secrets cannot be
told from what it says (`script.masks`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError
from arcly_actors.ingest.pull import PullEnded, PullFailed, PullFrames, PullTracks
from arcly_actors.runtime.seams import Asked, Opened, Place, Remote, Replied, Source
from arcly_actors.script.masks import Mask
from arcly_actors.script.plain import frame_fields, track_fields
from arcly_actors.script.taped_datagrams import DatagramTap, Peer, Recorded
from arcly_actors.script.taped_sessions import SessionTap
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.script.tape import Tape


CALLER = ".caller"
"""What the names of those have after that of the dial who come to a source or sink that listens, before their number."""

STALLED = "stalled"
"""The error of a source that FFmpeg reads, and that fell silent."""

_LOOKED_AT = frozenset({"content-type", "etag", "location"})
"""Fields of an answer over HTTP. Not Link, which has the credentials of relays: a replay has no use for them."""

ALONE = frozenset({"srt", "udp", "rtp-ts"})
"""Sockets of a dial that are its only ones, and so are called after it."""


@dataclass(eq=False, slots=True)
class _Known:
    """A source or sink that is recorded."""

    remote: Remote
    decision: Recorded

    @property
    def label(self) -> str:
        """What supervisors' events call it."""
        remote = self.remote
        return f"sources/{remote.key}" if remote.does == "pull" else f"sinks/{remote.key} to {remote.url}"


class TapedDials:
    """Implements `runtime.dials.DialsHeard` for one tape. Their names are ``pull-1``, their connections ``pull-1-1``, who
    comes to one that listens ``pull-1-1.caller-1``. `name` and `peer_name` are those of `Tape`.
    """

    def __init__(
        self,
        tape: "Tape",
        name: Callable[[str], str],
        peer_name: Callable[[str, Address], str],
        by_peer: dict[str, Recorded],
    ) -> None:
        self._tape = tape
        self._by_peer = by_peer
        self._name = name
        self._peer_name = peer_name
        self._known: dict[Remote, _Known] = {}

    def added(self, remote: Remote) -> None:
        """See `DialsHeard.added`."""
        if not self._tape.belongs(remote.key):
            return
        try:
            mask = Mask(remote.url, remote.token)
        except ConfigurationError:
            return
        known = self._known[remote] = _Known(remote, Recorded(self._name(remote.does), wanted=True, mask=mask))
        options = {**remote.options, **({"token": mask.token} if mask.token else {})}
        told = {"does": remote.does, "key": str(remote.key), "url": mask.url, "options": options}
        self._tape.put(known.decision, "remote", {"who": known.decision.who, **told})
        if remote.tries:  # it dials already, and nobody has answered
            to = (remote.url.host, remote.url.port or 0)
            self.dialling(remote, to)
            if remote.listens:
                self.found(remote, to)
            for value in remote.drawn:
                self._tape.drew(value)

    def knows(self, remote: Remote) -> bool:
        """See `DialsHeard.knows`."""
        return remote in self._known

    def withdrawn(self, remote: Remote) -> None:
        """See `DialsHeard.withdrawn`; what it says last is still on the tape."""
        known = self._known.get(remote)
        if known is not None:
            self._tape.came(known.decision, "withdrawn", {"who": known.decision.who})

    def dialling(self, remote: Remote, to: Place) -> None:
        """See `DialsHeard.dialling`."""
        if remote in self._known:
            host = f"[{to[0]}]" if ":" in to[0] else to[0]
            told = {"who": self.name(remote), "to": f"{host}:{to[1]}" if to[1] else host}
            self._tape.put(self._known[remote].decision, "dial", told)

    def found(self, remote: Remote, at: Source) -> None:
        """See `DialsHeard.found`."""
        if remote in self._known:
            decision, peer = self._known[remote].decision, str(Address.of_peer(at))
            if not remote.listens:
                self._by_peer[peer] = Recorded(self.name(remote), wanted=True, peer=peer, mask=decision.mask)
            self._tape.came(decision, "found", {"who": self.name(remote), "peer": peer})

    def failed(self, remote: Remote, why: str) -> None:
        """See `DialsHeard.failed`."""
        if remote in self._known:
            self._tape.came(self._known[remote].decision, "unanswered", {"who": self.name(remote), "why": why})

    def stream(self, remote: Remote, protocol: asyncio.Protocol) -> asyncio.Protocol:
        """See `DialsHeard.stream`."""
        known = self._known.get(remote)
        if known is None:
            return protocol
        made = Recorded(self.name(remote), wanted=True, mask=known.decision.mask)
        return self._tape.taped(protocol, made, known.decision.who)

    def asking(self, remote: Remote, number: int, asked: Asked) -> None:
        """See `DialsHeard.asking`."""
        known = self._known.get(remote)
        if known is not None:
            mask = known.decision.mask or Mask(remote.url)
            told = {"method": asked.method, "url": mask.text(asked.url), "headers": mask.headers(asked.headers)}
            self._tape.put(known.decision, "request", {"who": self.name(remote, number), **told}, asked.body)

    def replied(self, remote: Remote, number: int, reply: Replied | str) -> None:
        """See `DialsHeard.replied`; of its fields those that are looked at, and of these no credentials."""
        known = self._known.get(remote)
        if known is None:
            return
        mask, who = known.decision.mask or Mask(remote.url), {"who": self.name(remote, number)}
        if isinstance(reply, str):
            self._tape.came(known.decision, "unanswered", {**who, "why": mask.text(reply)})
            return
        headers = mask.headers({name: value for name, value in reply.headers if name.lower() in _LOOKED_AT})
        told = {**who, "status": reply.status, "headers": headers}
        self._tape.came(known.decision, "reply", told, mask.came(reply.body))

    def read(self, remote: Remote, message: object) -> None:
        """See `DialsHeard.read`."""
        known = self._known.get(remote)
        if known is None:
            return
        came, who = partial(self._tape.came, known.decision), {"who": self.name(remote)}
        if isinstance(message, PullTracks):
            listed = [track_fields(track) for track in message.tracks]
            metadata = {"metadata": dict(message.metadata)} if message.metadata else {}
            came("tracks", {**who, "key": str(remote.key), "tracks": listed, **metadata})
        elif isinstance(message, PullFrames):
            for frame in message.frames:
                came("send", {**who, **frame_fields(frame, self._tape.now())}, frame.payload)
        elif isinstance(message, PullFailed):
            came("lost", {**who, "why": message.detail, **({"error": STALLED} if message.stalled else {})})
        elif isinstance(message, PullEnded):
            came("eof", {**who, "why": message.detail})

    def session(self, remote: Remote) -> SessionTap | None:
        """See `DialsHeard.session`."""
        known = self._known.get(remote)
        if known is None:
            return None
        return SessionTap(f"{self.name(remote)}.whip", str(remote.key), self._tape, known.decision)

    def tap(self, opened: Opened) -> DatagramTap | None:
        """What hears of a datagram socket of such a one."""
        known = self._known.get(opened.remote) if opened.remote is not None else None
        if known is None:
            return None
        who, mask, writing = self.socket(opened), known.decision.mask, _Dialled(self._tape, known.decision.mask)
        if known.remote.listens:
            writing.peer = partial(self._caller, f"{who}{CALLER}", mask, {})
        else:
            dialled = Peer(who, Recorded(who, wanted=True, mask=mask))
            self._tape.put(known.decision, "bound", {"who": who, "local": str(opened.socket.bound)})
            writing.peer = lambda _address: dialled
        return DatagramTap(writing, opened)

    def _caller(self, on: str, mask: Mask | None, known: dict[Address, Peer], address: Address) -> Peer | None:
        """Who comes from there to one that listens; None for one too many."""
        if address not in known and len(known) < limits.TAPE_PEERS:
            made = Recorded(self._peer_name(on, address), wanted=True, peer=str(address), mask=mask)
            known[address] = Peer(made.who, made)
            self._by_peer[made.peer] = made
        return known.get(address)

    def name(self, remote: Remote, number: int = 0) -> str:
        """What the present dial of a source or sink, or that of a number, is called; empty for who is not recorded."""
        known = self._known.get(remote)
        return f"{known.decision.who}-{number or remote.tries}" if known is not None else ""

    def socket(self, opened: Opened) -> str:
        """What the other end of a socket is called that one has opened."""
        return socket_name(self.name(opened.remote) if opened.remote is not None else "", opened.on)

    def passes(self, event: Any) -> bool:
        """Whether an event is for the tape: what sources and sinks that are not on it meet is not, either."""
        actor, name = getattr(event, "actor", ""), type(event).__name__
        if actor.startswith(("sources/", "sinks/")):
            return any(actor.startswith(each.label) for each in self._known.values())
        if name.startswith(("Source", "Sink")):
            return any(str(each.remote.url) == event.url for each in self._known.values())
        return True

    def whose(self, event: Any) -> Recorded | None:
        """The one that an event is about, by the URL as it is shown."""
        peer = getattr(event, "peer", "")
        found = (each for each in self._known.values() if peer and str(each.remote.url) == peer)
        return next((each.decision for each in found), None)


def socket_name(name: str, on: str) -> str:
    """The same of a dial that is called `name`: of some it is the only one."""
    return f"{name}.{on}" if name and on not in ALONE else name


class _Dialled:
    """Implements `taped_datagrams.Writing` for one socket that was opened for a source or sink, with its secrets hidden.
    `peer` says who somebody is.
    """

    def __init__(self, tape: "Tape", mask: Mask | None) -> None:
        self._tape = tape
        self._mask = mask
        self.peer: Callable[[Address], Peer | None] = lambda _address: None

    def came(self, decision: Recorded, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """See `Writing.came`."""
        if data is not None and self._mask is not None:
            data = self._mask.came(data)
        self._tape.came(decision, kind, fields, data)

    def put(self, source: Recorded | None, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """See `Writing.put`."""
        if data is not None and self._mask is not None:
            data = self._mask.went(data)
        self._tape.put(source, kind, fields, data)

    def drawing(self, decision: Recorded | None) -> None:
        """See `Writing.drawing`."""
        self._tape.drawing(decision)

    def datagram_peer(self, on: str, address: Address) -> Peer | None:
        """See `Writing.datagram_peer`."""
        del on
        return self.peer(address)
