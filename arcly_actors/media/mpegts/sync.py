"""Where packets begin (ISO/IEC 13818-1 §2.4.3.2): bytes in any cuts in, runs of whole packets out."""

import re

PACKET = 188
SYNC = 0x47

_AGAIN = re.compile(rb"(?=G.{187}G.{187}G)", re.DOTALL)
_NEEDED = 2 * PACKET + 1


class PacketSync:
    """Finds the packets. In step a packet passes as soon as its last byte is there.

    Where a sync byte is missing, it goes on where three of them are 188 bytes apart. `skipped` counts bytes that belong
    to no packet, `losses` how often the step was lost.
    """

    __slots__ = ("_in_step", "_rest", "losses", "skipped")

    def __init__(self) -> None:
        self._rest = b""
        self._in_step = True
        self.skipped = 0
        self.losses = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Runs of whole packets; at most 564 bytes are kept back, and only while the step is lost."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        blocks: list[bytes] = []
        start, size = 0, len(data)
        while start < size:
            if not self._in_step:
                found = _AGAIN.search(data, start)
                if found is None:
                    keep = min(size - start, _NEEDED - 1)
                    self.skipped += size - start - keep
                    start = size - keep
                    break
                self.skipped += found.start() - start
                start = found.start()
                self._in_step = True
            end = start + self._run(data, start)
            if end > start:
                blocks.append(data[start:end] if start or end < size else data)
                start = end
            if start < size and data[start] != SYNC:
                self._in_step = False
                self.losses += 1
            elif self._in_step:
                break
        self._rest = data[start:]
        return blocks

    def _run(self, data: bytes, start: int) -> int:
        """The bytes of the whole packets from `start` on that are in step."""
        heads = data[start : max(start, len(data) - PACKET + 1) : PACKET]
        good = len(heads) - len(heads.lstrip(b"G"))
        return good * PACKET
