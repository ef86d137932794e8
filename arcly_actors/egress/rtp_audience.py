"""The viewers of an RTP feed: who gets the very same packets, and who gets packets of its own.

Lines with an equal `Layout` at one port are a group. Those of it that are live need nothing but the shared packets; so
transports that are live in the same groups form a rank, and are sent to in one go, sound and picture too where these
leave together. Lines apart (joining, waiting for a keyframe, degraded) are looked at singly.
"""

from collections.abc import Iterator, Sequence

from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.egress.rtp_slice import Layout, Slice
from arcly_actors.egress.rtp_track import RtpTrack
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport, TransportCrowd, TransportRank
from arcly_actors.transport.srtp_batch import SharedPackets

Leaving = Sequence[tuple[RtpTrack, Slice]]
"""What leaves at one moment, of one track or of several; those of a track in its order."""


class _Group:
    """The lines of one layout at one port."""

    __slots__ = ("apart", "crowd", "layout", "live")

    def __init__(self, first: RtpLine) -> None:
        self.layout = first.layout
        self.crowd = first.transport.crowd
        self.live: dict[DtlsSrtpTransport, RtpLine] = {}
        self.apart: dict[RtpLine, None] = {}

    def gets(self, rtp: RtpTrack, one: Slice) -> bool:
        """Whether a slice of a track is what these viewers agreed on."""
        return self.layout.ssrc == rtp.ssrc and self.layout.codec is one.codec


_Key = tuple[Layout, TransportCrowd]


def _key(line: RtpLine) -> _Key:
    """Which group a line is of."""
    return line.layout, line.transport.crowd


class Audience:
    """See the module."""

    def __init__(self) -> None:
        self._groups: dict[_Key, _Group] = {}
        self._ranks: list[tuple[tuple[_Group, ...], TransportRank]] | None = None

    @property
    def live(self) -> int:
        """How many viewers a slice goes to at once."""
        return max((len(group.live) for group in self._groups.values()), default=0)

    @property
    def behind(self) -> list[RtpLine]:
        """Lines with a backlog, those first that had a portion longest ago."""
        return [line for group in self._groups.values() for line in group.apart if line.backlog]

    def add(self, line: RtpLine) -> None:
        """It is apart at first."""
        self._groups.setdefault(_key(line), _Group(line)).apart[line] = None

    def remove(self, line: RtpLine) -> None:
        """Send it nothing more; its line keeps its place."""
        group = self._groups.get(_key(line))
        if group is None:
            return
        group.apart.pop(line, None)
        self._end_live(group, line)
        if not group.live and not group.apart:
            del self._groups[_key(line)]

    def part(self, line: RtpLine) -> None:
        """It gets packets of its own from now on."""
        group = self._groups.get(_key(line))
        if group is not None and self._end_live(group, line):
            group.apart[line] = None

    def settle(self, line: RtpLine) -> None:
        """It is live from now on if it can be; else it is behind all others apart."""
        group = self._groups[_key(line)]
        if line in group.apart:
            del group.apart[line]
            if line.settled:
                group.live[line.transport] = line
                self._ranks = None
                line.go_live()
            else:
                group.apart[line] = None

    def send(self, leaving: Leaving, now: int) -> None:
        """To everyone."""
        for groups, rank in self._arranged():
            parts = [(group, one) for rtp, one in leaving for group in groups if group.gets(rtp, one)]
            if parts:
                for transport in rank.send(_train(parts)):
                    for group, one in parts:
                        group.live[transport].unsent += len(one.chunks)
        for rtp, one in leaving:
            for line in self._apart(rtp, one):
                line.take(one, now)
                self.settle(line)

    def _apart(self, rtp: RtpTrack, one: Slice) -> Iterator[RtpLine]:
        for group in self._groups.values():
            if group.apart and group.gets(rtp, one):
                yield from tuple(group.apart)

    def _end_live(self, group: _Group, line: RtpLine) -> bool:
        if not line.live:
            return False
        del group.live[line.transport]
        self._ranks = None
        line.part()
        return True

    def _arranged(self) -> list[tuple[tuple[_Group, ...], TransportRank]]:
        if self._ranks is None:
            groups_of: dict[DtlsSrtpTransport, tuple[_Group, ...]] = {}
            for group in self._groups.values():
                for transport in group.live:
                    groups_of[transport] = (*groups_of.get(transport, ()), group)
            members: dict[tuple[_Group, ...], list[DtlsSrtpTransport]] = {}
            for transport, groups in groups_of.items():
                members.setdefault(groups, []).append(transport)
            self._ranks = [(groups, groups[0].crowd.rank(those)) for groups, those in members.items()]
        return self._ranks


def _train(parts: Sequence[tuple[_Group, Slice]]) -> SharedPackets:
    """All as one. A picture that is shorter than the sound comes behind it: a segmented send may end in a shorter one."""
    sets = [one.packets(group.layout) for group, one in parts]
    if len(sets) == 1:
        return sets[0]
    if parts[0][0] is not parts[1][0] and len(sets[0].packets[-1]) < len(sets[1].packets[0]):
        sets.append(sets.pop(0))
    return SharedPackets([packet for each in sets for packet in each.packets])
