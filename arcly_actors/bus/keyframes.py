"""The keyframe broker: many viewers' requests, at most one at a time upstream, until a real keyframe comes."""

from arcly_actors import limits


class KeyframeBroker:
    """Pure: told when viewers ask and when keyframes come, answers when and how to ask the publisher.

    Requests are coalesced, kept `limits.KEYFRAME_THROTTLE` apart, repeated until a keyframe arrives, and turn from PLI
    to FIR after `limits.KEYFRAME_PATIENCE`.
    """

    def __init__(self) -> None:
        self._pending_since: int | None = None
        self._sent: int | None = None
        self.asked = 0
        self.sent = 0
        self.served = 0

    @property
    def pending(self) -> bool:
        """Whether a viewer still waits."""
        return self._pending_since is not None

    def request(self, now: int) -> None:
        """A viewer needs a keyframe."""
        self.asked += 1
        if self._pending_since is None:
            self._pending_since = now

    def arrived(self) -> None:
        """A real keyframe came: all requests are served."""
        if self._pending_since is not None:
            self.served += 1
            self._pending_since = None

    def due(self, now: int) -> bool | None:
        """Whether to ask the publisher now: None not yet, False by PLI, True by FIR. Counts as sent when not None."""
        if self._pending_since is None:
            return None
        if self._sent is not None and now - self._sent < limits.KEYFRAME_THROTTLE:
            return None
        self._sent = now
        self.sent += 1
        return now - self._pending_since >= limits.KEYFRAME_PATIENCE

    def wake_in(self, now: int) -> int | None:
        """Nanoseconds until `due` has to be asked again; None when nothing is pending."""
        if self._pending_since is None:
            return None
        return 0 if self._sent is None else max(0, self._sent + limits.KEYFRAME_THROTTLE - now)
