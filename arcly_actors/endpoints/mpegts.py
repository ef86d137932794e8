"""MPEG-TS over UDP and RTP: one port for each feed, under one supervisor.

There is no connection: a publisher begins with the first programme that a feed turns out to have and ends when the feed
has been silent. The same feed goes on where it stopped, as long as its stream is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.errors import ArclyError, Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts import TsItems, TsPublisher
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_receiver import OpenInlet, TsReceiver
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.mpegts.events import ProgramChanged, ProgramEnded
from arcly_actors.runtime import (
    ChildSpec,
    Exited,
    OnExceeded,
    RestartPolicy,
    SupervisionEvent,
    Supervisor,
    System,
    receives,
)
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.feed_address import FeedAddress
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


class TsPort(TsReceiver):
    """Receives one feed and has a publisher for each of its programmes."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        feed: TsFeed,
        complaints: ComplaintLog,
        open_inlet: OpenInlet | None = None,
        on_bound: Callable[[Address], None] | None = None,
    ) -> None:
        datagrams = TsDatagrams(
            feed.program, every=PROGRAM in feed.key, sources=feed.address.sources, silence=feed.silence_ns
        )
        super().__init__(system, feed.address, datagrams, open_inlet, feed.name)
        self._bus = bus
        self._feed = feed
        self._complaints = complaints
        self._on_bound = on_bound
        self._publishers: dict[int, Ref] = {}
        self._known: set[int] = set()
        self._tracks: dict[int, TracksGathered] = {}  # as each programme told them, for a publisher that comes later
        self.counts = datagrams.counts

    def on_start(self) -> None:
        """Bind and join; AddressUnavailable is the actor's failure."""
        super().on_start()
        if self._on_bound is not None and self._inlet is not None:
            self._on_bound(self._inlet.bound)

    def let_go(self) -> None:
        """Its streams are held."""
        super().let_go()
        for publisher in self._publishers.values():
            publisher.stop(block=False)

    @receives(WhereBound)
    def where_bound(self, _: WhereBound) -> tuple[Address, ...]:
        """See `WhereBound`."""
        return (self._inlet.bound,) if self._inlet is not None else ()

    def fell_silent(self) -> None:
        """Its publishers leave."""
        for program in list(self._publishers):
            self._end_publisher(program)
        self._known.clear()
        self._tracks.clear()

    def take(self, items: list[tuple[int, TsItem]]) -> None:
        """Give each programme its own; the first that is heard of one starts its publisher."""
        mine: dict[int, list[TsItem]] = {}
        for program, item in items:
            mine.setdefault(program, []).append(item)
        for program, own in mine.items():
            if isinstance(own[0], ProgramChanged) and program not in self._known:
                self._known.add(program)
                self._publish(program)
            publisher = self._publishers.get(program)
            if publisher is not None:
                notify(publisher, TsItems(tuple(own)))
            self._tracks.update((program, item) for item in own if isinstance(item, TracksGathered))
            if any(isinstance(item, ProgramEnded) for item in own):
                self._end_publisher(program)
                self._known.discard(program)
                self._tracks.pop(program, None)

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
        if program in self._tracks:
            notify(publisher, TsItems((self._tracks[program],)))

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
