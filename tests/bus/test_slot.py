"""The publish slot."""

import pytest

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Claim
from arcly_actors.bus.policy import Conflict
from arcly_actors.bus.slot import PublishSlot
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import System
from tests.support.virtual import Probe, in_virtual_time

KEY = StreamKey("live", "cam")


def claim(system: System, peer: str = "here") -> Claim:
    return Claim(KEY, Probe(system).ref, "test", peer)


@in_virtual_time
async def test_it_is_empty_taken_and_empty_again(system: System) -> None:
    slot = PublishSlot(Conflict.REJECT, 5)
    assert (slot.holder, slot.empty_since) == (None, 5)
    assert slot.claim(claim(system), 1, 7) is None
    assert (slot.empty_since,) == (None,)
    left = slot.vacate(1, 9)
    assert left is not None
    assert (left.lease, slot.holder, slot.empty_since) == (1, None, 9)


@in_virtual_time
async def test_a_second_publisher_is_refused_and_not_told_who_the_first_is(system: System) -> None:
    slot = PublishSlot(Conflict.REJECT, 0)
    slot.claim(claim(system, "10.0.0.1:5"), 1, 0)
    with pytest.raises(Refused, match="live/cam is being published already") as refused:
        slot.claim(claim(system), 2, 0)
    assert refused.value.refusal is Refusal.BUSY
    assert "10.0.0.1" not in refused.value.detail  # an address is not a stranger's business
    assert slot.holder is not None
    assert slot.holder.lease == 1


@in_virtual_time
async def test_a_second_publisher_may_take_over(system: System) -> None:
    slot = PublishSlot(Conflict.TAKEOVER, 0)
    slot.claim(claim(system), 1, 0)
    displaced = slot.claim(claim(system), 2, 0)
    assert displaced is not None
    assert displaced.lease == 1
    assert slot.vacate(1, 9) is None
    assert slot.empty_since is None


@in_virtual_time
async def test_the_holder_itself_may_claim_again(system: System) -> None:
    slot, same = PublishSlot(Conflict.REJECT, 0), claim(system)
    slot.claim(same, 1, 0)
    assert slot.claim(same, 2, 3) is None
    assert slot.vacate(1, 4) is None
    assert slot.vacate(2, 5) is not None
