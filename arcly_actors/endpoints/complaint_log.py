"""The log lines about peers that misbehave: each kind at most once per interval and address."""

import logging

from arcly_actors.bus.events import ConnectionRefused, Events
from arcly_actors.clock import Clock
from arcly_actors.endpoints.complaints import Complaints
from arcly_actors.errors import PeerViolation, Refusal, Refused
from arcly_actors.transport.budget import Complaint

_log = logging.getLogger("arcly_actors.peers")


class ComplaintLog:
    """Where endpoints complain."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._complaints = Complaints(clock)
        self._events = events

    def closed(self, protocol: str, peer: str, error: BaseException | None) -> None:
        """A connection ended; worth a line when the peer broke the protocol."""
        if isinstance(error, PeerViolation):
            self.say(protocol, peer, type(error).__name__.lower(), str(error))

    def refused(self, protocol: str, peer: str, refused: Refused) -> None:
        """A connection was declined before it named a stream: a line, and an event."""
        if self.say(protocol, peer, "refused", refused.detail):
            self._events.emit(ConnectionRefused(peer, refused.refusal, refused.detail))

    def turned_away(self, complaint: Complaint) -> None:
        """A connection did not come to be. The listener has counted and rated these already."""
        more = f" ({complaint.count} times)" if complaint.count > 1 else ""
        peer = str(complaint.peer) if complaint.peer is not None else ""
        _log.warning("%s: %s: %s%s", complaint.where, complaint.reason, complaint.detail, more, extra={"peer": peer})
        if complaint.reason == "budget":
            self._events.emit(ConnectionRefused(peer, Refusal.LIMIT, complaint.detail))

    def say(self, protocol: str, peer: str, kind: str, text: str) -> bool:
        """One line, unless one of this kind about this host was just said; whether it was said."""
        suppressed = self._complaints.admit(f"{protocol} {kind}", peer.rpartition(":")[0])
        if suppressed is not None:
            more = f" ({suppressed} more like it)" if suppressed else ""
            _log.warning("%s: %s%s", kind, text, more, extra={"protocol": protocol, "peer": peer, "key": ""})
        return suppressed is not None
