"""Trains as the kernel takes them, and what the collector makes of them."""

import subprocess
import sys

import pytest

from arcly_actors.transport import train_call

COLLECTED = """
import gc
from arcly_actors.transport.rtp_trains import cut
frame = b"$\\0\\0\\x10" + bytes(16)
for _ in range(3):
    made = cut(frame * 8)
    ring = [made, made.call(b"")]
    ring.append(ring)
    del made, ring
    gc.collect()
print("collected")
"""


@pytest.mark.skipif(not train_call.SUPPORTED, reason="there is no sendmmsg")
def test_trains_that_are_garbage_of_a_cycle_are_collected() -> None:
    """An engine that had sent RTP over UDP was one, at its end: CPython 3.11 crashed on the views that its calls held."""
    found = subprocess.run([sys.executable, "-c", COLLECTED], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "collected\n", "")
