"""Trains as the kernel takes them; what is sent with them is tested where viewers are (`test_rtp_ports.py`)."""

import gc

import pytest

from arcly_actors.transport.rtp_trains import Cut, cut
from arcly_actors.transport.train_call import SUPPORTED


@pytest.mark.skipif(not SUPPORTED, reason="sendmmsg is Linux's")
def test_the_collector_may_free_them() -> None:
    """An engine that is over is one heap of things that hold each other; a call in it ended the process."""

    class Holder:
        def __init__(self, held: Cut) -> None:
            self.held = held
            self.itself = self

    frame = bytes((36, 0, 0, 4, 1, 2, 3, 4))
    for _ in range(10):
        made = cut(frame * 3)
        made.call(b"")
        Holder(made)
        del made
        gc.collect()
