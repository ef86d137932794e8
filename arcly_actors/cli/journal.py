"""The engine's events as log lines, one each, and few of one kind at a time."""

import logging
from collections.abc import Callable
from typing import Any, Final

from arcly_actors import limits
from arcly_actors.bus import events as bus
from arcly_actors.cli.amount import megabytes
from arcly_actors.cli.logging import about
from arcly_actors.clock import NS_PER_S, Clock
from arcly_actors.topology.values import duration_text

_log = logging.getLogger("arcly_actors.events")

_LINES: Final[dict[type, tuple[int, Callable[[Any], str]]]] = {
    bus.PublishStarted: (logging.INFO, lambda _: "published"),
    bus.PublishHeld: (
        logging.INFO,
        lambda event: f"publisher gone ({event.reason}); viewers are held for {duration_text(event.hold_ns)}",
    ),
    bus.PublishResumed: (logging.INFO, lambda _: "resumed"),
    bus.PublishEnded: (logging.INFO, lambda event: f"ended: {event.reason}"),
    bus.PublishRefused: (logging.WARNING, lambda event: f"publisher refused ({event.refusal}): {event.detail}"),
    # Said already, at a bounded rate, by the endpoint's complaint.
    bus.ConnectionRefused: (logging.DEBUG, lambda event: f"connection refused ({event.refusal}): {event.detail}"),
    bus.SubscriberJoined: (logging.INFO, lambda event: f"viewer {event.number} joined"),
    bus.SubscriberLeft: (logging.INFO, lambda event: f"viewer {event.number} left: {event.reason}"),
    bus.SubscriberLagged: (
        logging.WARNING,
        lambda event: f"viewer {event.number} is too slow: skipped {event.frames} frames to the newest keyframe",
    ),
    bus.SubscriberDegraded: (
        logging.WARNING,
        lambda event: f"viewer {event.number} gets keyframes only: its path takes about {event.estimate // 1000} kb/s",
    ),
    bus.SubscriberRecovered: (logging.INFO, lambda event: f"viewer {event.number} gets every picture again"),
    bus.SubscriberEvicted: (
        logging.WARNING,
        lambda event: f"viewer {event.number} evicted ({event.refusal}): {event.detail}",
    ),
    bus.SubscriberRefused: (logging.WARNING, lambda event: f"viewer refused ({event.refusal}): {event.detail}"),
    bus.KeyframeRequested: (
        logging.DEBUG,
        lambda event: "keyframe requested by FIR" if event.full_intra else "keyframe requested",
    ),
    bus.GopOutgrown: (
        logging.WARNING,
        lambda event: f"GOP too long for the cache ({event.frames} frames, {event.size} bytes): joiners wait",
    ),
    bus.BFramesDropped: (
        logging.WARNING,
        lambda event: f"{event.frames} B-frames dropped for {event.rendition}: the encoder should send none",
    ),
    bus.BFramesRefused: (logging.WARNING, lambda event: f"{event.rendition} viewers ended: {event.detail}"),
    bus.TranscodeStarted: (
        logging.INFO,
        lambda event: f"transcoding track {event.track} from {event.source} to {event.target} for {event.rendition}",
    ),
    bus.TranscodeStopped: (
        logging.INFO,
        lambda event: (
            f"transcoding of track {event.track} for {event.rendition} stopped: {event.frames} frames made, "
            f"{event.dropped} dropped, {event.damaged} damaged"
        ),
    ),
    bus.TranscodeLagged: (
        logging.WARNING,
        lambda event: f"transcoding of track {event.track} for {event.rendition} too slow: {event.frames} frames skipped",
    ),
    bus.TranscodeFailed: (
        logging.ERROR,
        lambda event: (
            f"transcoding of track {event.track} for {event.rendition} failed ({event.error}): "
            + ("too often, tried again later" if event.resting else "started again")
        ),
    ),
    bus.PacketsMissing: (logging.WARNING, lambda event: f"packets missing ({event.gaps} gaps)"),
    bus.StreamScrambled: (logging.WARNING, lambda event: f"PID {event.pid} is encrypted, and left out"),
    bus.SourceConnected: (logging.INFO, lambda event: f"source is live: {event.url}"),
    bus.SourceStalled: (logging.WARNING, lambda event: f"source stalled ({event.detail}): {event.url}"),
    bus.SourceFailed: (logging.WARNING, lambda event: f"source failed ({event.error}): {event.url}"),
    bus.SourceIdled: (logging.INFO, lambda event: f"source hung up ({event.reason}): {event.url}"),
    bus.WorkerAbandoned: (
        logging.ERROR,
        lambda event: f"FFmpeg hangs, its thread is left behind ({event.count} of this source are): {event.url}",
    ),
    bus.SinkConnected: (logging.INFO, lambda event: f"pushed to {event.url}{event.note and f' {event.note}'}"),
    bus.SinkFailed: (logging.WARNING, lambda event: f"push failed ({event.error}): {event.url}"),
    bus.SinkEnded: (logging.INFO, lambda event: f"push ended ({event.reason}): {event.url}"),
    bus.TapeStarted: (logging.INFO, lambda event: f"recording to {event.path}"),
    bus.TapeEnded: (
        logging.INFO,
        lambda event: (
            f"recording ended{event.reason and f' ({event.reason})'}: {event.path}"
            + (f", {megabytes(event.size)}" if event.size else "")
        ),
    ),
    bus.TapeFailed: (logging.WARNING, lambda event: f"recording failed ({event.error}): {event.path}"),
    bus.FaultInjected: (logging.WARNING, lambda event: f"FAULT ON PURPOSE {event.what}"),
    bus.ActorRestarted: (logging.WARNING, lambda event: f"{event.actor} restarted (restart {event.restarts})"),
    bus.ActorGaveUp: (
        logging.ERROR,
        lambda event: (
            f"{event.actor} failed too often ({event.error}): "
            + ("it stays down and is tried again now and then" if event.retried else "it is not restarted")
        ),
    ),
    # Its traceback is in the log already: Pykka's record, which `LogLines` shows.
    bus.Failed: (logging.DEBUG, lambda event: f"{event.actor} failed: {event.error}"),
}
_NAMES: Final = {
    bus.SubscriberJoined: "viewers joined",
    bus.SubscriberLeft: "viewers left",
    bus.SubscriberLagged: "viewers too slow",
    bus.SubscriberDegraded: "viewers degraded",
    bus.SubscriberRecovered: "viewers recovered",
    bus.SubscriberEvicted: "viewers evicted",
    bus.SubscriberRefused: "viewers refused",
    bus.PublishStarted: "streams published",
    bus.PublishHeld: "publishers gone",
    bus.PublishResumed: "streams resumed",
    bus.PublishEnded: "streams ended",
    bus.PublishRefused: "publishers refused",
    bus.PacketsMissing: "times packets missing",
    bus.StreamScrambled: "encrypted streams",
    bus.SourceConnected: "sources live",
    bus.SourceStalled: "sources stalled",
    bus.SourceFailed: "sources failed",
    bus.SourceIdled: "sources idle",
    bus.SinkConnected: "pushes begun",
    bus.SinkFailed: "pushes failed",
    bus.SinkEnded: "pushes ended",
    bus.TapeStarted: "recordings begun",
    bus.TapeEnded: "recordings ended",
    bus.TapeFailed: "recordings failed",
    bus.FaultInjected: "faults on purpose",
    bus.ActorRestarted: "restarts",
}


class Journal:
    """Logs each event that it is called with; of one kind `limits.LOG_BURST` in `limits.LOG_WINDOW`, then their number.

    Call `tick` about once a second: it tells what was left out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[type, tuple[int, int]] = {}
        self.stopping = False

    def __call__(self, event: bus.Event) -> None:
        """Log one event, or count it."""
        kind = type(event)
        level, text = _LINES[kind]
        if not _log.isEnabledFor(level) or (self.stopping and kind is bus.PublishHeld):  # nothing is held any more
            return
        ends, count = self._windows.get(kind, (0, 0))
        now = self._clock.monotonic_ns()
        if now >= ends:
            self._tell(kind, count)
            ends, count = now + limits.LOG_WINDOW, 0
        self._windows[kind] = ends, count + 1
        if count < limits.LOG_BURST:
            protocol, peer = getattr(event, "protocol", ""), getattr(event, "peer", "")
            _log.log(level, "%s", text(event), extra=about(protocol=protocol, key=getattr(event, "key", ""), peer=peer))

    def tick(self) -> None:
        """Tell of the windows that are over."""
        now = self._clock.monotonic_ns()
        for kind, (ends, count) in tuple(self._windows.items()):
            if now >= ends:
                del self._windows[kind]
                self._tell(kind, count)

    def _tell(self, kind: type, count: int) -> None:
        more = count - limits.LOG_BURST
        if more > 0:
            level, _ = _LINES[kind]
            seconds = limits.LOG_WINDOW // NS_PER_S
            _log.log(level, "and %d more %s within %d s", more, _NAMES.get(kind, kind.__name__), seconds)
