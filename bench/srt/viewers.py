"""The load client: N libsrt viewers in one process.

`python -m bench.srt.viewers STREAMID SECRET JOIN SETTLE SECONDS PORT [PORT …]`, a viewer for each port named. Each one
counts bytes and what is missing of the transport stream (continuity counters); the stamps of the first one's video tell
lateness.
"""

import sys
import time
from collections import Counter

from bench.child import say
from bench.histogram import Histogram
from bench.srt.clip import DIGITS, PACKET
from bench.srt.libsrt import Srt
from bench.stamp import NAME


class Viewer:
    """What one viewer got."""

    def __init__(self, *, stamped: bool) -> None:
        self.size = 0
        self.faults: Counter[str] = Counter()
        self.late = Histogram()
        self.measuring = False
        self._counters: dict[int, int] = {}
        self._stamped = stamped

    def take(self, data: bytes) -> None:
        """A message."""
        self.size += len(data)
        counters = self._counters
        for at in range(0, len(data), PACKET):
            if data[at] != 0x47:
                self.faults["sync"] += 1
                return
            flags = data[at + 3]
            pid = (data[at + 1] << 8 | data[at + 2]) & 0x1FFF
            if flags & 0x10 and pid != 0x1FFF:
                if counters.get(pid, flags - 1 & 15) != (flags - 1) & 15:
                    self.faults["continuity"] += 1
                counters[pid] = flags & 15
        if self._stamped and self.measuring:
            at = data.find(NAME)
            if at >= 0:
                digits = data[at + len(NAME) + 8 : at + len(NAME) + DIGITS]
                self.late.add(time.monotonic_ns() - int(digits, 16))


def main(stream_id: str, secret: str, join: str, settle: str, seconds: str, *ports: str) -> None:
    """Join, settle, measure, tell."""
    library = Srt()
    numbers = []
    for port in ports:
        numbers.append(library.connect(int(port), stream_id if stream_id != "-" else "", passphrase=secret))
        time.sleep(float(join) / len(ports))
    viewers = {number: Viewer(stamped=not at) for at, number in enumerate(numbers)}
    poll = library.poll(numbers)

    def run(for_seconds: float) -> None:
        ends = time.monotonic() + for_seconds
        while time.monotonic() < ends:
            for number in poll.wait(100):
                viewer = viewers[number]
                while data := library.receive(number):
                    viewer.take(data)

    run(float(settle))
    for viewer in viewers.values():
        viewer.size, viewer.measuring = 0, True
    say(event="steady")
    began, cpu = time.monotonic(), time.process_time()
    run(float(seconds))
    lasted, cpu = time.monotonic() - began, time.process_time() - cpu
    say(event="end")
    faults = sum((viewer.faults for viewer in viewers.values()), Counter[str]())
    late = next(iter(viewers.values())).late
    say(
        event="result",
        payload=sum(viewer.size for viewer in viewers.values()),
        seconds=lasted,
        cpu=cpu,
        faults=dict(faults),
        least=min(viewer.size for viewer in viewers.values()),
        latency={str(index): times for index, times in late.bins.items()},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
