"""SRT pull: we call a listener, wait for a caller, or meet halfway, and take the transport stream that comes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

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
from arcly_actors.protocols.srt.target import SrtTarget
from arcly_actors.runtime import System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_dial import DatagramCaller
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.srt_ciphers import SrtCiphers


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Nobody has called yet."""


@dataclass(frozen=True, slots=True)
class _Wake:
    """Frames wait for a track that may not come."""


class SrtPull(DatagramCaller):
    """A pull (see `ingest.pull`) over SRT. Of a listener it is the first caller who is heard; others are refused."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._source = TsSource()
        self._waking: Timer | None = None

    def on_start(self) -> None:
        """Dial, or listen."""
        url, system = self._request.url, self.system
        try:
            target = SrtTarget.of(url.host, url.port, url.query)
        except ConfigurationError as error:
            self.unreachable(str(error))
            return
        connect = partial(target.connect, SrtCiphers(), system.entropy, system.clock)
        self.call(target.remote, target.local, connect, self._request.remote)
        if target.remote is None:
            self.wait(_Waiting())

    def connected(self, link: DatagramLink) -> None:
        """What it tells is all that is needed."""

    def spare(self, link: DatagramLink) -> None:
        """One at a time."""
        link.command(Refuse(Reject.RESOURCE))

    @receives(Asked)
    def asked(self, _: Asked) -> None:
        """Let the caller in."""
        if self.link is not None:
            self.link.command(Accept())

    @receives(_Waiting)
    def wait(self, _: _Waiting) -> None:
        """Say that nobody has come yet."""
        if self.link is None:
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
        self.unreachable(closed.detail)

    def unreachable(self, detail: str) -> None:
        """The try is over."""
        notify(self._owner, PullFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
