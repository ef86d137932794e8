"""Reading bits, most significant first, with the codes that H.264, H.265 and AV1 write their headers in."""

from arcly_actors.errors import Malformed


class BitReader:
    """A bit position in a complete value; running out of bits is `Malformed`."""

    __slots__ = ("_bits", "_data", "_what", "position")

    def __init__(self, data: bytes, what: str = "bitstream") -> None:
        self._data = data
        self._bits = len(data) * 8
        self._what = what
        self.position = 0

    @property
    def remaining(self) -> int:
        """How many bits are left."""
        return self._bits - self.position

    def bits(self, count: int) -> int:
        """An unsigned integer of `count` bits (0 bits are 0)."""
        end = self.position + count
        if end > self._bits:
            raise Malformed(f"{self._what} ends early: {count} bits wanted at bit {self.position} of {self._bits}")
        last = (end + 7) // 8
        chunk = int.from_bytes(self._data[self.position // 8 : last])
        self.position = end
        return (chunk >> (last * 8 - end)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Pass over `count` bits."""
        self.bits(count)

    def align(self) -> None:
        """Go to the next byte boundary."""
        self.position = (self.position + 7) // 8 * 8

    def ue(self) -> int:
        """An unsigned Exp-Golomb code, ue(v) of ITU-T H.264 §9.1; at most 32 bits, as every syntax element is."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise Malformed(f"{self._what}: Exp-Golomb code longer than 32 bits at bit {self.position}")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb code, se(v) of ITU-T H.264 §9.1.1."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def unescape(unit: bytes) -> bytes:
    """A NAL unit without its emulation-prevention bytes (ITU-T H.264 §7.4.1): 00 00 03 becomes 00 00."""
    if b"\x00\x00\x03" not in unit:
        return unit
    out = bytearray()
    start = 0
    # A found pattern is consumed whole, so that the zeros before one 03 never count towards the next.
    while (found := unit.find(b"\x00\x00\x03", start)) >= 0:
        out += unit[start : found + 2]
        start = found + 3
    return bytes(out + unit[start:])
