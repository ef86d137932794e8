"""Reading bytes forward: `Cursor` over a whole value, `Inlet` over bytes that are still arriving.

The difference is what too few bytes mean. A `Cursor` holds everything there will ever be, so running out is the peer's
fault (`Malformed`); an `Inlet` answers None, which means "incomplete: come back with more".
"""

from arcly_actors.errors import Malformed, PeerLimit


class Cursor:
    """A position in a complete value; integers are big-endian unless the name says otherwise."""

    __slots__ = ("_data", "_what", "position")

    def __init__(self, data: bytes, what: str = "value") -> None:
        self._data = data
        self._what = what
        self.position = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.position

    def take(self, count: int) -> bytes:
        """The next `count` bytes; `Malformed` when there are fewer."""
        end = self.position + count
        if count < 0 or end > len(self._data):
            raise Malformed(f"{self._what} ends early: {count} bytes wanted at {self.position} of {len(self._data)}")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; `Malformed` when there are fewer."""
        self.take(count)

    def rest(self) -> bytes:
        """Everything that is left, possibly nothing."""
        return self.take(self.remaining)

    def unsigned(self, size: int) -> int:
        """A big-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size))

    def signed(self, size: int) -> int:
        """A big-endian two's-complement integer of `size` bytes."""
        return int.from_bytes(self.take(size), signed=True)

    def unsigned_le(self, size: int) -> int:
        """A little-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        """One byte."""
        return self.unsigned(1)

    def u16(self) -> int:
        """Two bytes, big-endian."""
        return self.unsigned(2)

    def u24(self) -> int:
        """Three bytes, big-endian."""
        return self.unsigned(3)

    def u32(self) -> int:
        """Four bytes, big-endian."""
        return self.unsigned(4)


class Inlet:
    """Bytes that arrive in any cuts, read in the pieces that the format has.

    `bound` is the most that may wait here unread; more raises `PeerLimit`. A taken prefix is only marked and the buffer
    is compacted once per `feed`, so reading many small pieces stays linear.
    """

    __slots__ = ("_bound", "_buffer", "_position", "_what")

    def __init__(self, bound: int, what: str = "stream") -> None:
        self._bound = bound
        self._what = what
        self._buffer = bytearray()
        self._position = 0

    def __len__(self) -> int:
        return len(self._buffer) - self._position

    def feed(self, data: bytes) -> None:
        """Append what arrived; `PeerLimit` when more than the bound would wait."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        if len(self._buffer) + len(data) > self._bound:
            raise PeerLimit(f"{self._what}: more than {self._bound} bytes wait unread")
        self._buffer += data

    def peek(self, count: int, offset: int = 0) -> bytes | None:
        """`count` bytes from `offset` on without taking them; None while they are incomplete."""
        start = self._position + offset
        if start + count > len(self._buffer):
            return None
        return bytes(self._buffer[start : start + count])

    def take(self, count: int) -> bytes | None:
        """The next `count` bytes; None, with nothing taken, while they are incomplete."""
        taken = self.peek(count)
        if taken is not None:
            self._position += count
        return taken
