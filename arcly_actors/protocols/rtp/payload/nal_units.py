"""What the payload formats of H.264 and H.265 share: small NAL units together, large ones in fragments."""

from collections.abc import Iterable
from typing import Protocol

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.protocols.rtp.payload.unit import RtpChunk


class NalForm(Protocol):
    """How one of the two codecs writes a payload."""

    header: int

    def together(self, units: list[bytes]) -> bytes:
        """One payload of several units, each behind a length of 2 bytes."""

    def fragments(self, unit: bytes, most: int) -> list[bytes]:
        """The payloads, of at most `most` bytes, of one unit."""


def chunks(form: NalForm, units: Iterable[bytes], most: int) -> list[RtpChunk]:
    """The payloads of one access unit, in order, the last one marked."""
    payloads: list[bytes] = []
    group: list[bytes] = []
    used = form.header
    for unit in units:
        cost = len(unit) + 2
        if group and used + cost > most:
            payloads.append(_one(form, group))
            group, used = [], form.header
        if len(unit) > most:
            payloads += form.fragments(unit, most)
        else:
            group.append(unit)
            used += cost
    if group:
        payloads.append(_one(form, group))
    made = list(map(RtpChunk, payloads))
    if made:
        made[-1] = RtpChunk(payloads[-1], marker=True)
    return made


def pieces(size: int, most: int) -> list[tuple[int, int]]:
    """Cuts of `size` bytes into as few parts of at most `most` as can be, all of one size but the last.

    Equal sizes are what UDP segmentation offload wants, and no packet is a tiny one.
    """
    count = max(1, -(-size // most))
    step = max(1, -(-size // count))
    return [(start, min(start + step, size)) for start in range(0, size, step)]


class NalParts:
    """The NAL units of one access unit as they arrive, with the lengths that `media/frame.py` wants; bounded."""

    def __init__(self) -> None:
        self._whole: list[bytes] = []
        self._fragments: list[bytes] = []
        self.count = 0

    def add(self, unit: bytes) -> None:
        """A whole unit; `Malformed` amid fragments, `PeerLimit` beyond `limits.NAL_UNITS`."""
        if self._fragments:
            raise Malformed("a NAL unit amid the fragments of another")
        self._keep(len(unit), [unit])

    def begin(self, header: bytes) -> None:
        """A unit with this header starts; its first fragment follows."""
        if self._fragments:
            raise Malformed("a NAL unit starts amid the fragments of another")
        self._fragments = [header]

    def proceed(self, fragment: bytes, *, last: bool) -> None:
        """The next fragment; `Malformed` without a first one."""
        if not self._fragments:
            raise Malformed("a fragment of a NAL unit without its start")
        self._fragments.append(fragment)
        if last:
            fragments, self._fragments = self._fragments, []
            self._keep(sum(map(len, fragments)), fragments)

    def take(self) -> bytes:
        """The payload; `Malformed` while a unit is not complete."""
        if self._fragments:
            raise Malformed("a NAL unit without its last fragment")
        payload = b"".join(self._whole)
        self.clear()
        return payload

    def clear(self) -> None:
        """Forget everything."""
        self._whole, self._fragments, self.count = [], [], 0

    def _keep(self, size: int, parts: list[bytes]) -> None:
        if self.count == limits.NAL_UNITS:
            raise PeerLimit(f"more than {limits.NAL_UNITS} NAL units in one access unit")
        self.count += 1
        self._whole.append(size.to_bytes(4))
        self._whole += parts


def split_lengths(payload: bytes, start: int) -> list[bytes]:
    """The units of an aggregation packet, from `start` on; `Malformed` when one is cut. Empty ones are left out."""
    units: list[bytes] = []
    end = len(payload)
    while start < end:
        begin = start + 2
        start = begin + int.from_bytes(payload[start:begin])
        if begin > end or start > end:
            raise Malformed(f"aggregated NAL unit ends at {start} of {end}")
        if start > begin:
            units.append(payload[begin:start])
    return units


class ParameterSets:
    """The parameter sets seen in-band, each kind as the last access unit that had it: what a configuration is made of."""

    def __init__(self, kinds: Iterable[int]) -> None:
        self._kept: dict[int, tuple[bytes, ...]] = dict.fromkeys(kinds, ())
        self._seen: dict[int, dict[bytes, None]] = {}

    def see(self, kind: int, unit: bytes) -> None:
        """Note a unit; other kinds than parameter sets are ignored."""
        if kind in self._kept:
            self._seen.setdefault(kind, {})[unit] = None

    def settle(self) -> list[tuple[bytes, ...]] | None:
        """At the end of an access unit: all kinds in order when they are complete and something changed, else None."""
        if not self._seen:
            return None
        fresh = {kind: tuple(units) for kind, units in self._seen.items()}
        self._seen = {}
        changed = any(self._kept[kind] != units for kind, units in fresh.items())
        self._kept.update(fresh)
        return list(self._kept.values()) if changed and all(self._kept.values()) else None

    def clear(self) -> None:
        """Forget those of the unit that is given up."""
        self._seen = {}


def _one(form: NalForm, group: list[bytes]) -> bytes:
    return group[0] if len(group) == 1 else form.together(group)
