"""A reader of RTMP chunks for the Python clients: whole messages out, fmt 0-3, extended timestamps, any chunk size."""

from dataclasses import dataclass, field

_HEADER_SIZES = (11, 7, 3, 0)


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message."""

    type: int
    timestamp_ms: int
    payload: bytes


@dataclass(slots=True)
class _Stream:
    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    extended: bool = False
    payload: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Feed it what was received; it keeps what is incomplete. Raises ValueError on what no server may send."""

    def __init__(self) -> None:
        self._chunk = 128
        self._data = bytearray()
        self._streams: dict[int, _Stream] = {}

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes."""
        self._data += data
        messages, at = [], 0
        while (step := self._chunk_at(at)) is not None:
            at, message = step
            if message is None:
                continue
            if message.type == 1:
                self._chunk = int.from_bytes(message.payload[:4], "big") & 0x7FFFFFFF
            messages.append(message)
        del self._data[:at]
        return messages

    def _chunk_at(self, at: int) -> tuple[int, Message | None] | None:
        data = self._data
        if at >= len(data):
            return None
        form, low = data[at] >> 6, data[at] & 63
        body = at + (2 if low == 0 else 3 if low == 1 else 1)
        header = body + _HEADER_SIZES[form]
        if header > len(data):
            return None
        number = low if low > 1 else 64 + int.from_bytes(data[at + 1 : body], "little")
        known = self._streams.get(number)
        if known is None and form == 3:
            raise ValueError(f"chunk stream {number} starts with nothing to go on")
        stream = known or _Stream()
        stamp = int.from_bytes(data[body : body + 3], "big")
        extended = stream.extended if form == 3 else stamp == 0xFFFFFF
        end = header + 4 * extended
        length = int.from_bytes(data[body + 3 : body + 6], "big") if form < 2 else stream.length
        left = min(self._chunk, length - len(stream.payload))
        if end + left > len(data):
            return None
        if form < 3:
            if stream.payload:
                raise ValueError("a new message inside another")
            stream.extended = extended
            stream.delta = int.from_bytes(data[header:end], "big") if extended else stamp
            stream.length = length
            stream.type = data[body + 6] if form < 2 else stream.type
        if not stream.payload:
            stream.timestamp = stream.delta if form == 0 else stream.timestamp + stream.delta
        self._streams[number] = stream
        stream.payload += data[end : end + left]
        if len(stream.payload) < stream.length:
            return end + left, None
        message = Message(stream.type, stream.timestamp, bytes(stream.payload))
        stream.payload.clear()
        return end + left, message
