"""SRT pull: we call a listener, wait for a caller, or meet halfway, and take the transport stream that comes."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.messages import Ref
from arcly_actors.errors import ConfigurationError
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks, PullWaiting
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.srt.events import Accept, Asked, Drained, Established, Received, Refuse
from arcly_actors.protocols.srt.reject import Reject
from arcly_actors.protocols.srt.target import Mode, SrtTarget
from arcly_actors.runtime import Exited, LoopActor, System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_dial import local_address, resolve
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagram_port import DatagramPort
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.srt_ciphers import SrtCiphers
from arcly_actors.transport.udp_socket import Source


@dataclass(frozen=True, slots=True)
class _Resolved:
    where: Source | DialFailed


@dataclass(frozen=True, slots=True)
class _Linked:
    link: DatagramLink


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Nobody has called yet."""


@dataclass(frozen=True, slots=True)
class _Wake:
    """Frames wait for a track that may not come."""


class SrtPull(LoopActor):
    """A pull (see `ingest.pull`) over SRT. Of a listener it is the first caller who is heard; others are refused."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._target: SrtTarget | None = None
        self._port: Ref | None = None
        self._link: DatagramLink | None = None
        self._source = TsSource()
        self._waking: Timer | None = None

    def on_start(self) -> None:
        """Dial, or listen."""
        url = self._request.url
        try:
            target = self._target = SrtTarget.of(url.host, url.port, url.query)
        except ConfigurationError as error:
            self._fail(str(error))
            return
        if target.mode is Mode.LISTENER:
            self._open(target, None)
            self.wait(_Waiting())
        else:
            self.spawn(resolve(self.system, target.host, target.port), then=_Resolved)

    def on_stop(self) -> None:
        """Leave in an orderly way: the port says good-bye."""
        if self._port is not None:
            self._port.stop(block=False)

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self.on_stop()

    def figures(self) -> dict[str, int | float]:
        """What the tree shows: libsrt's statistics."""
        if self._link is None:
            return {}
        found: dict[str, int | float] = self._link.engine.statistics(self.system.clock.monotonic_ns()).values()
        return found

    @receives(_Resolved)
    def resolved(self, resolved: _Resolved) -> None:
        """Call it."""
        if isinstance(resolved.where, DialFailed):
            self._fail(resolved.where.detail)
        elif self._target is not None:
            self._open(self._target, resolved.where)

    def _open(self, target: SrtTarget, peer: Source | None) -> None:
        secret, now = self.system.entropy.random_bytes(32), self.system.clock.monotonic_ns()
        switchboard, engine = target.connect(peer, SrtCiphers(), secret, now)
        call = (engine, peer) if engine is not None and peer is not None else None
        local = local_address(*target.local, peer)
        ours = self.actor_ref
        self._port = DatagramPort.start(
            self.system, local, switchboard, lambda link: notify(ours, _Linked(link)), call=call
        )
        self.watch(self._port)

    @receives(_Linked)
    def linked(self, linked: _Linked) -> None:
        """Somebody called, or we did."""
        if self._link is None or self._link.ended is not None:
            self._link = linked.link
            linked.link.attach(self.actor_ref)
        else:
            linked.link.command(Refuse(Reject.RESOURCE))

    @receives(Asked)
    def asked(self, _: Asked) -> None:
        """Let the caller in."""
        if self._link is not None:
            self._link.command(Accept())

    @receives(_Waiting)
    def wait(self, _: _Waiting) -> None:
        """Say that nobody has come yet."""
        if self._link is None:
            notify(self._owner, PullWaiting())
            self.after(limits.SRT_WAITING, _Waiting())

    @receives(Received)
    def received(self, event: Received) -> None:
        """Pass it on as frames."""
        self._pass_on(self._source.receive(b"".join(event.payloads), self.system.clock.monotonic_ns()))

    @receives(_Wake)
    def woken(self, _: _Wake) -> None:
        """Time went by."""
        self._waking = None
        self._pass_on(self._source.wake(self.system.clock.monotonic_ns()))

    def _pass_on(self, found: Iterable[tuple[int, TsItem]]) -> None:
        frames: list[MediaFrame] = []
        for _, item in found:
            if isinstance(item, MediaFrame):
                frames.append(item)
            elif isinstance(item, TracksGathered):
                if frames:
                    notify(self._owner, PullFrames(tuple(frames)))
                    frames = []
                notify(self._owner, PullTracks(item.tracks))
        if frames:
            notify(self._owner, PullFrames(tuple(frames)))
        at = self._source.wake_at
        if at is not None and self._waking is None:
            self._waking = self.after(at - self.system.clock.monotonic_ns(), _Wake())

    @receives(Established, Drained, KeyframeNeeded)
    def noted(self, _: object) -> None:
        """Media follows by itself; SRT has no way to ask for a keyframe."""

    @receives(ConnectionClosed)
    def closed(self, closed: ConnectionClosed) -> None:
        """Over."""
        self._pass_on(self._source.flush(self.system.clock.monotonic_ns()))
        self._fail(closed.detail)

    @receives(Exited)
    def port_gone(self, exited: Exited) -> None:
        """The port could not be opened, or failed."""
        self._fail(str(exited.error) if exited.error is not None else "the port was closed")

    def _fail(self, detail: str) -> None:
        notify(self._owner, PullFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
