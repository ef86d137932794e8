"""Where an engine meets what it dials: the part of its seams that is about sources and sinks."""

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from arcly_actors.runtime.seams import Asked, Faults, Place, Remote, Replied, SessionNote, Source, Tape


class DialsHeard(Protocol):
    """What hears of sources and sinks, and of what they dial."""

    def knows(self, remote: "Remote") -> bool:
        """Whether it is on the tape."""
        ...

    def added(self, remote: "Remote") -> None:
        """There is one more."""
        ...

    def withdrawn(self, remote: "Remote") -> None:
        """It is no more."""
        ...

    def dialling(self, remote: "Remote", to: "Place") -> None:
        """It dials."""
        ...

    def found(self, remote: "Remote", at: "Source") -> None:
        """There is where its datagrams are to go."""
        ...

    def failed(self, remote: "Remote", why: str) -> None:
        """Nobody answers."""
        ...

    def stream(self, remote: "Remote", protocol: asyncio.Protocol) -> asyncio.Protocol:
        """The protocol to use instead for a connection that it has dialled."""
        ...

    def asking(self, remote: "Remote", number: int, asked: "Asked") -> None:
        """It asks over HTTP, in its try of this number."""
        ...

    def replied(self, remote: "Remote", number: int, reply: "Replied | str") -> None:
        """That is answered, or not, and why."""
        ...

    def read(self, remote: "Remote", message: object) -> None:
        """FFmpeg has read for it: what a pull tells its owner (`ingest.pull`)."""
        ...

    def session(self, remote: "Remote") -> "SessionNote | None":
        """Where the packets of the WebRTC session go that it dials; None when it is not recorded."""
        ...


class DialSeams:
    """What `runtime.seams.Seams` has for them. None in place of a source or sink is nobody of interest."""

    __slots__ = ()

    tapes: "tuple[Tape, ...]"
    faults: "Faults | None"
    remotes: "list[Remote]"
    gate: asyncio.Event | None

    def added(self, remote: "Remote") -> None:
        """See `DialsHeard.added`."""
        self.remotes.append(remote)
        for tape in self.tapes:
            tape.dials.added(remote)

    def withdrawn(self, remote: "Remote") -> None:
        """See `DialsHeard.withdrawn`; more than once does no harm."""
        if remote in self.remotes:
            self.remotes.remove(remote)
            for tape in self.tapes:
                tape.dials.withdrawn(remote)

    async def may_dial(self) -> None:
        """Wait for the `gate`."""
        if self.gate is not None:
            await self.gate.wait()

    def dialling(self, remote: "Remote | None", to: "Place", *, listens: bool = False) -> None:
        """See `DialsHeard.dialling`. `listens`: it waits there."""
        if remote is not None:
            remote.tries += 1
            remote.listens = listens
            remote.answered = remote.answered or (listens and remote.tries > 1)
            remote.drawn.clear()
            for tape in self.tapes:
                tape.dials.dialling(remote, to)

    def found(self, remote: "Remote | None", at: "Source") -> None:
        """See `DialsHeard.found`."""
        if remote is not None:
            remote.answered = remote.answered or not remote.listens
            for tape in self.tapes:
                tape.dials.found(remote, at)

    def undialled(self, remote: "Remote | None", why: str) -> None:
        """See `DialsHeard.failed`."""
        if remote is not None:
            remote.answered = True
            for tape in self.tapes:
                tape.dials.failed(remote, why)

    def dialled(self, remote: "Remote | None", protocol: asyncio.Protocol) -> asyncio.Protocol:
        """The protocol of a connection that was dialled, with every tape around it, and faults around these."""
        if remote is not None:
            remote.answered = True
            for tape in self.tapes:
                protocol = tape.dials.stream(remote, protocol)
            if self.faults is not None:
                protocol = self.faults.dialled(remote, protocol)
        return protocol

    def asking(self, remote: "Remote | None", number: int, asked: "Asked") -> None:
        """See `DialsHeard.asking`."""
        if remote is not None:
            for tape in self.tapes:
                tape.dials.asking(remote, number, asked)

    def replied(self, remote: "Remote | None", number: int, reply: "Replied | str") -> None:
        """See `DialsHeard.replied`."""
        if remote is not None:
            for tape in self.tapes:
                tape.dials.replied(remote, number, reply)

    def read(self, remote: "Remote | None", message: object) -> None:
        """See `DialsHeard.read`."""
        if remote is not None:
            remote.answered = True
            for tape in self.tapes:
                tape.dials.read(remote, message)

    def met(self, remote: "Remote | None", transport: Any) -> None:
        """See `Faults.met`."""
        if remote is not None and self.faults is not None:
            self.faults.met(remote, transport)

    def refused(self, remote: "Remote | None") -> bool:
        """See `Faults.refuses`."""
        return remote is not None and self.faults is not None and self.faults.refuses(remote)
