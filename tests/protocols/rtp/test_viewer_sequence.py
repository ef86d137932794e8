"""Renumbering for one viewer: no gaps where something is left out, and the way back for its NACKs."""

import random

import pytest

from arcly_actors import limits
from arcly_actors.protocols.rtp.viewer_sequence import ViewerSequence


def test_nothing_left_out_is_nothing_to_do() -> None:
    viewer = ViewerSequence()
    assert viewer.outgoing(65537) == 1
    assert viewer.original(1, following=65541) == 65537


def test_what_is_left_out_shows_no_gap() -> None:
    viewer = ViewerSequence()
    assert viewer.outgoing(100) == 100
    viewer.leave_out(104, 3)  # 101, 102, 103
    assert [viewer.outgoing(full) for full in (104, 105)] == [101, 102]
    assert viewer.original(101, following=106) == 104
    assert viewer.original(100, following=106) == 100


@pytest.mark.parametrize("seed", range(5))
def test_every_number_leads_back(seed: int) -> None:
    dice, viewer = random.Random(seed), ViewerSequence()
    sent: list[tuple[int, int]] = []
    full = 65000
    while full < 70000:
        if dice.random() < 0.02:
            count = dice.randrange(1, 30)
            full += count
            viewer.leave_out(full, count)
            continue
        sent.append((viewer.outgoing(full), full))
        full += 1
    numbers = [number for number, _ in sent]
    assert numbers == [(65000 + index) & 0xFFFF for index in range(len(sent))]
    recent = sent[-400:]
    assert [viewer.original(number, full) for number, _ in recent] == [number for _, number in recent]


def test_memory_is_bounded() -> None:
    viewer = ViewerSequence()
    for full in range(0, 10 * limits.VIEWER_SHIFTS, 2):
        viewer.leave_out(full + 1, 1)
    assert len(viewer._origins) <= limits.VIEWER_SHIFTS
    assert viewer.original(viewer.outgoing(0), following=10 * limits.VIEWER_SHIFTS) is None
