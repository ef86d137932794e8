"""MPEG-TS over UDP and RTP: one port for each feed, under one supervisor.

There is no connection: a publisher begins with the first programme that a feed turns out to have and ends when the feed
has been silent. The same feed goes on where it stopped, as long as its stream is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.errors import ArclyError, Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.ts import TsItems, TsPublisher
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.mpegts.events import ProgramChanged, ProgramEnded
from arcly_actors.runtime import (
    ChildSpec,
    Exited,
    LoopActor,
    OnExceeded,
    RestartPolicy,
    SupervisionEvent,
    Supervisor,
    System,
    Timer,
    receives,
)
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feed_socket import Deliver, FeedInlet
from arcly_actors.transport.listener import WhereBound

PROGRAM = "{program}"
"""Stands for a programme's number in a key."""


@dataclass(frozen=True, slots=True)
class TsFeed:
    """One feed: where it comes from, and the key that it is published under; with `PROGRAM` in it every programme is.

    `program`: the only one to take, else the first with pictures or sound. `silence_ns`: see `limits.TS_SILENCE`.
    """

    name: str
    address: FeedAddress
    key: str
    program: int | None = None
    silence_ns: int = limits.TS_SILENCE


class Inlet(Protocol):
    """The face of `FeedInlet`, for sockets that are none (tests in virtual time)."""

    bound: Address

    def start(self, wake: Callable[[], None]) -> None:
        """See `FeedInlet.start`."""
        ...

    def read(self, deliver: Deliver) -> None:
        """See `FeedInlet.read`."""
        ...

    def close(self) -> None:
        """See `FeedInlet.close`."""
        ...


OpenInlet = Callable[[Any, FeedAddress], Inlet]


@dataclass(frozen=True, slots=True)
class _Due:
    """Something is due although nothing came."""


@dataclass(frozen=True, slots=True)
class _Retry:
    """A publisher that was refused may be let in now."""

    program: int


@dataclass(frozen=True, slots=True)
class _Lost:
    """The publisher `urn` has stopped; `accepted`: it had the slot before."""

    urn: str
    refusal: Refusal
    detail: str
    accepted: bool


class PublisherCrashed(ArclyError):
    """A feed's publisher failed, and so does its port: both begin anew, for what was read before is gone with it."""


class _FeedPublisher(TsPublisher):
    """Says to the port which publisher it was that has lost its slot."""

    def lose(self, refusal: Refusal, detail: str) -> None:
        notify(self._owner, _Lost(self.actor_urn, refusal, detail, self._accepted))
        super().lose(refusal, detail)


@dataclass(frozen=True, slots=True)
class _Broken:
    """Reading the socket failed, which is this actor's failure."""

    error: Exception


class TsPort(LoopActor):
    """Receives one feed and has a publisher for each of its programmes."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        feed: TsFeed,
        complaints: ComplaintLog,
        open_inlet: OpenInlet = FeedInlet,
        on_bound: Callable[[Address], None] | None = None,
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._feed = feed
        self._complaints = complaints
        self._open = open_inlet
        self._on_bound = on_bound
        self._inlet: Inlet | None = None
        self._datagrams = TsDatagrams(
            feed.program, every=PROGRAM in feed.key, sources=feed.address.sources, silence=feed.silence_ns
        )
        self._batch: list[tuple[int, TsItem]] = []
        self._publishers: dict[int, Ref] = {}
        self._known: dict[int, ProgramChanged] = {}
        self._timer: Timer | None = None
        self.counts = self._datagrams.counts

    def on_start(self) -> None:
        """Bind and join; AddressUnavailable is the actor's failure."""
        self._inlet = self._open(self.system.loop, self._feed.address)
        if self._on_bound is not None:
            self._on_bound(self._inlet.bound)
        self._inlet.start(self._wake)

    def on_stop(self) -> None:
        """Its streams are held."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._close()

    @receives(WhereBound)
    def where_bound(self, _: WhereBound) -> tuple[Address, ...]:
        """See `WhereBound`."""
        return (self._inlet.bound,) if self._inlet is not None else ()

    def _close(self) -> None:
        if self._inlet is not None:
            self._inlet.close()
        if self._timer is not None:
            self._timer.cancel()
        for publisher in self._publishers.values():
            publisher.stop(block=False)

    # -- what comes (called on the loop) ------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._inlet is None:
            return
        try:
            self._inlet.read(self._deliver)
            self._pass_on()
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this feed, visibly, and not the loop
            self._inlet.close()
            self.actor_ref.tell(_Broken(error))

    def _deliver(self, data: bytes, source: str) -> None:
        self._batch += self._datagrams.receive(data, source, self.system.clock.monotonic_ns())

    @receives(_Broken)
    def broken(self, broken: _Broken) -> None:
        """Fail where the supervisor sees it."""
        raise broken.error

    @receives(_Due)
    def due(self, _: _Due) -> None:
        """Frames that waited long enough, or the feed's silence."""
        self._timer = None
        before = self._datagrams.source
        self._batch += self._datagrams.wake(self.system.clock.monotonic_ns())
        self._pass_on()
        if before and not self._datagrams.source:
            for program in list(self._publishers):
                self._end_publisher(program)
            self._known.clear()

    def _pass_on(self) -> None:
        batch, self._batch = self._batch, []
        mine: dict[int, list[TsItem]] = {}
        for program, item in batch:
            mine.setdefault(program, []).append(item)
        for program, items in mine.items():
            if isinstance(items[0], ProgramChanged) and program not in self._known:
                self._known[program] = items[0]
                self._publish(program)
            publisher = self._publishers.get(program)
            if publisher is not None:
                notify(publisher, TsItems(tuple(items)))
            if any(isinstance(item, ProgramEnded) for item in items):
                self._end_publisher(program)
                self._known.pop(program, None)
        if self._timer is None and (at := self._datagrams.wake_at) is not None:
            self._timer = self.after(max(0, at - self.system.clock.monotonic_ns()), _Due())

    # -- publishers ---------------------------------------------------------------------------------------------------

    def _publish(self, program: int) -> None:
        peer = f"{self._feed.address.scheme}://{self._datagrams.source}"
        try:
            key = StreamKey.parse(self._feed.key.replace(PROGRAM, str(program)))
        except Refused as refused:
            self._complaints.refused("mpegts", peer, refused)
            return
        publishing = Publishing(key, "mpegts", peer)
        publisher = _FeedPublisher.start(self.system, self._bus, publishing, self.actor_ref)
        self._publishers[program] = publisher
        self.watch(publisher)

    def _end_publisher(self, program: int) -> None:
        publisher = self._publishers.pop(program, None)
        if publisher is not None:
            self.unwatch(publisher)
            publisher.stop(block=False)

    @receives(PublishAccepted, PublishLost, KeyframeNeeded)
    def noted(self, _: object) -> None:
        """A feed can be told nothing, and asked for nothing."""

    @receives(_Lost)
    def lost(self, lost: _Lost) -> None:
        """A publisher has not got its key, or has it no longer.

        One that was turned away tries again. One that was displaced stays away until its feed has been silent: two that
        both want the key would take turns.
        """
        program = self._program_of(lost.urn)
        if program is None:
            return
        peer = f"{self._feed.address.scheme}://{self._datagrams.source}"
        self._complaints.refused("mpegts", peer, Refused(lost.refusal, lost.detail))
        self._end_publisher(program)
        if not lost.accepted:
            self.after(limits.TS_RETRY, _Retry(program))

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A publisher crashed."""
        program = self._program_of(exited.urn)
        if program is not None:
            raise PublisherCrashed(f"{type(exited.error).__name__} in a publisher") from exited.error

    def _program_of(self, urn: str) -> int | None:
        return next((number for number, ref in self._publishers.items() if ref.actor_urn == urn), None)

    @receives(_Retry)
    def retry(self, retry: _Retry) -> None:
        """Ask again, if the programme is still there."""
        if retry.program in self._known and retry.program not in self._publishers:
            self._publish(retry.program)


def start_mpegts(
    system: System,
    bus: Bus,
    feeds: Sequence[TsFeed],
    *,
    restarts: RestartPolicy,
    complaints: ComplaintLog,
    on_event: Callable[[SupervisionEvent], None],
    on_listener: Callable[[str, Ref], None],
) -> Ref:
    """Start the endpoint; returns its supervisor. `on_listener` is given each port by its feed's name."""

    ports: dict[str, int] = {}

    def start(feed: TsFeed) -> Ref:
        # A restarted port comes back where its sender sends to, also if the system chose it.
        known = replace(feed, address=replace(feed.address, port=ports.get(feed.name, feed.address.port)))
        bound = partial(_note, ports, feed.name)
        port = TsPort.start(system, bus, known, complaints, on_bound=bound)
        on_listener(feed.name, port)
        return port

    children = tuple(
        ChildSpec(f"{feed.key} from {feed.address}", partial(start, feed), on_exceeded=OnExceeded.DEGRADE)
        for feed in feeds
    )
    return Supervisor.start(system, "mpegts", children=children, policy=restarts, on_event=on_event)


def _note(ports: dict[str, int], name: str, bound: Address) -> None:
    ports[name] = bound.port
