"""Embed the server in a program without an event loop: it runs in a thread, and calls to it block.

Run it: ``python examples/threaded.py``.
"""

from itertools import islice

import arcly_actors as arcly


def main(topology: arcly.Topology | None = None) -> int:
    """Serve the test pattern, and read 50 of its frames; how many bytes they have."""
    with arcly.Engine.run_in_thread(topology) as engine:
        engine.start_pattern("live/demo")
        stream = engine.stream("live/demo", timeout=10)
        return sum(len(frame.payload) for frame in islice(stream.frames(timeout=5), 50))


if __name__ == "__main__":
    print(main(), "bytes")
