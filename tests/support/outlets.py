"""An outlet without a socket: it records, and its backpressure is scripted."""

from collections.abc import Callable


class MemoryOutlet:
    """Takes `room` bytes into `taken` ("the kernel"), the rest waits in `queued` until `make_room`; room None is no
    bound."""

    def __init__(self, room: int | None = None) -> None:
        self.direct = -1
        self.crowd = None
        self.closed = False
        self.ended = False
        self.error: OSError | None = None
        self.taken = bytearray()
        self.queued = bytearray()
        self.writes: list[bytes] = []
        self._room = room
        self._waiting: list[Callable[[], None]] = []

    @property
    def pending(self) -> int:
        return len(self.queued)

    @property
    def received(self) -> bytes:
        """Everything that was written, sent or not."""
        return bytes(self.taken + self.queued)

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        self.writes.append(data)
        self.queued += data
        self._move()

    def spill(self, data: bytes, taken: int) -> None:
        raise AssertionError("a memory outlet has no descriptor to write to directly")

    def fail(self, error: OSError) -> None:
        self.error = error
        self.lose()

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Unlike a socket's outlet it calls at once when nothing is pending, so that a test needs no loop."""
        if self.queued and not self.closed:
            self._waiting.append(callback)
        else:
            callback()

    def end(self) -> None:
        self.closed = self.ended = True

    def fileno(self) -> int:
        return -1

    # --- the script ---

    def make_room(self, size: int | None) -> None:
        """The peer reads: `size` more bytes go (None: all of them, and no bound from now on)."""
        self._room = None if size is None else (self._room or 0) + size
        self._move()
        if not self.queued:
            self._wake()

    def stall(self) -> None:
        """The peer stops reading."""
        self._room = 0

    def lose(self) -> None:
        """The connection breaks: what was not sent is gone."""
        self.closed = True
        self.queued.clear()
        self._wake()

    def _move(self) -> None:
        size = len(self.queued) if self._room is None else min(self._room, len(self.queued))
        self.taken += self.queued[:size]
        del self.queued[:size]
        if self._room is not None:
            self._room -= size

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()
