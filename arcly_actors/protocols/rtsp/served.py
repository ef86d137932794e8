"""The stream that a server's session is about: which track a SETUP means, and which of its transports is taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from arcly_actors.protocols.rtsp.address import Location, control_within, track_number
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.events import TrackSetUp
from arcly_actors.protocols.rtsp.transport import Lower, Pair, Transport


@dataclass(slots=True)
class ServedStream:
    """Its address, what is in it, whether the peer brings it (`record`) or wants it, and what was set up so far."""

    location: Location
    description: Description
    record: bool
    setups: dict[int, Transport] = field(default_factory=dict)

    def track_setups(self) -> tuple[TrackSetUp, ...]:
        """What was set up, in the order of the media."""
        return tuple(TrackSetUp(medium, transport) for medium, transport in sorted(self.setups.items()))

    def medium_at(self, target: str) -> int | None:
        """Which medium a SETUP is about: by its control attribute, by a number at the end, or the next in order."""
        control = control_within(target, self.location.target)
        media = self.description.media
        for medium in media:
            ours = medium.control.partition("://")[2].partition("/")[2] if "://" in medium.control else medium.control
            if ours and ours.strip("/") in {control, target.strip("/")}:
                return medium.index
        if control is None and not self.record:
            return None
        number = track_number(target) if control else None
        if number is not None:
            return number[1] if number[1] < len(media) else None
        free = [medium.index for medium in media if medium.index not in self.setups]
        return free[0] if free else None

    def choose(self, medium: int, offers: Iterable[Transport], udp_ports: Pair | None) -> Transport | None:
        """The first transport that is ours, too, as it is answered; all tracks of a session go the same way."""
        others = {chosen.lower for index, chosen in self.setups.items() if index != medium}
        for offer in offers:
            if not offer.usable or (others and offer.lower not in others):
                continue
            if offer.lower is Lower.TCP:
                return Transport(Lower.TCP, channels=self._channels(medium, offer.channels), record=self.record)
            if udp_ports is not None and offer.client_ports is not None:
                return Transport(Lower.UDP, client_ports=offer.client_ports, server_ports=udp_ports, record=self.record)
        return None

    def _channels(self, medium: int, wanted: Pair | None) -> Pair:
        """Those that were asked for, unless another medium has one of them; else the first that are free."""
        pairs = (one.channels for index, one in self.setups.items() if index != medium and one.channels is not None)
        taken = {channel for pair in pairs for channel in pair}
        if wanted is not None and wanted[0] != wanted[1] and not taken.intersection(wanted):
            return wanted
        first = next(first for first in range(0, 256, 2) if not taken.intersection((first, first + 1)))
        return first, first + 1
