"""The publish slot: one publisher at a time, and what becomes of a second one.

It outlives the stream actor that grants it: after a crash it is still whose it was, until he is gone or sends nothing.
"""

from dataclasses import dataclass

from arcly_actors.bus.messages import Claim
from arcly_actors.bus.policy import Conflict
from arcly_actors.errors import Refusal, Refused


@dataclass(slots=True)
class Holder:
    """Who has the slot, under which lease number, and when it last sent a frame (monotonic ns)."""

    claim: Claim
    lease: int
    last_frame: int
    frames: int = 0


class PublishSlot:
    """Pure: grants leases by policy. `empty_since` (monotonic ns) is None while somebody has the slot."""

    def __init__(self, policy: Conflict, now: int) -> None:
        self._policy = policy
        self.holder: Holder | None = None
        self.empty_since: int | None = now

    def claim(self, claim: Claim, lease: int, now: int) -> Holder | None:
        """Give the slot to `claim` and return the holder it takes it from, if any. Raises `Refused` (busy)."""
        displaced = self.holder
        if displaced is not None and displaced.claim.publisher.actor_urn == claim.publisher.actor_urn:
            displaced = None
        if displaced is not None and (claim.again or self._policy is Conflict.REJECT):
            raise Refused(Refusal.BUSY, f"{claim.key} is being published already")  # by whom is not a stranger's business
        self.holder = Holder(claim, lease, now)
        self.empty_since = None
        return displaced

    def keep(self, now: int) -> Holder | None:
        """Give whoever has the slot, if anybody, as long to send his next frame as if one had come now."""
        if self.holder is not None:
            self.holder.last_frame = now
        return self.holder

    def vacate(self, lease: int, now: int) -> Holder | None:
        """Take the slot back from `lease`; None when that lease has it no more."""
        if self.holder is None or self.holder.lease != lease:
            return None
        left, self.holder = self.holder, None
        self.empty_since = now
        return left
