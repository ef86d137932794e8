"""`python -m bench srt`: one publisher at 10 Mb/s, a crowd of viewers at 2.6 Mb/s, in the clear and encrypted.

The same is asked of srt-live-transmit: it relays one stream to one viewer, so a crowd of viewers is a crowd of processes,
each fed by UDP.
"""

import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.case import Bench
from bench.child import Child
from bench.clip import HIGH, SECONDS, Picture, bytes_per_second, load
from bench.clip import cached_clip as cached_messages
from bench.histogram import Histogram
from bench.machine import this_machine
from bench.outcome import Outcome
from bench.proc import cpu_seconds
from bench.rtmp import bench_of, introduce
from bench.server import NAME, free_port, running_server, srt_topology
from bench.srt.clip import TEN_MEGABIT, cached_stream
from bench.tables import Column, Verdict, at_most, columns, milliseconds

PUBLISHER_SHARE, CROWD, CROWD_SHARE = 0.08, 50, 0.60
LATENCY_MS = 120
"""What each connection waits for lost packets: subtracted from what a viewer measures, once per connection."""

PASSPHRASE = "correct-horse-battery"
_START, _JOIN, _SETTLE = 3.0, 5.0, 3.0


@dataclass(frozen=True, slots=True)
class SrtCase:
    """So many viewers of a stream of so many kb/s, encrypted or not."""

    viewers: int
    kilobits: int
    encrypted: bool
    seconds: float


@dataclass(slots=True)
class SrtMeasurement:
    """What came of it: share of a core, payload in 10^6 bytes per second, added latency in ms, faults by kind."""

    core_share: float
    delivered_mbs: float = 0.0
    added_p50_ms: float | None = None
    added_p95_ms: float | None = None
    client_core_share: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Nothing of the transport stream was missing."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Row:
    """A case, and both that were measured."""

    case: SrtCase
    server: SrtMeasurement
    relay: SrtMeasurement | None


def cases(viewers: Sequence[int], seconds: float) -> list[SrtCase]:
    """The publisher alone, then each number of viewers, the largest encrypted, too."""
    crowds = [SrtCase(count, 2600, encrypted=False, seconds=seconds) for count in viewers]
    return [SrtCase(0, 10_000, False, seconds), *crowds, SrtCase(max(viewers), 2600, True, seconds)]


def run(planned: Sequence[SrtCase], server_command: Sequence[str], *, save: bool) -> bool:
    """Measure the cases and print them; True when no viewer missed anything."""
    started, machine = time.monotonic(), this_machine()
    bench = bench_of(cached_messages(HIGH), max(case.viewers for case in planned), server_command)
    introduce(machine, bench)
    rows = []
    for case in planned:
        row = Row(case, measure_server(case, bench), measure_relay(case, bench))
        rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
        for name, each in (("server", row.server), ("srt-live-transmit", row.relay)):
            if each is not None and each.faults:
                print(f"  {name}: {each.faults}")
    outcome = Outcome("srt", rows, table(rows), verdicts(rows), machine, time.monotonic() - started)
    print(f"\n{outcome.document()}\n\ntook {outcome.took_seconds:.0f} s")
    if save:
        outcome.save()
    return all(row.server.lossless for row in rows)


def measure_server(case: SrtCase, bench: Bench) -> SrtMeasurement:
    """The case with our server."""
    port, srt = free_port(), free_udp_ports(1)[0]
    text = srt_topology(port, srt, PASSPHRASE if case.encrypted else "")
    with running_server(text, port, bench) as server, _publisher(case, bench, "srt", srt, f"publish:live/{NAME}"):
        time.sleep(_START)
        if not case.viewers:
            return _idle(case, [server])
        ports = [srt] * case.viewers
        return _watch(case, bench, [server], f"read:live/{NAME}", ports, connections=2)


def measure_relay(case: SrtCase, bench: Bench) -> SrtMeasurement | None:
    """The case with srt-live-transmit, as many processes as there are viewers; None where it is not installed."""
    program = shutil.which("srt-live-transmit")
    if program is None:
        return None
    secret = f"&passphrase={PASSPHRASE}" if case.encrypted else ""
    with ExitStack() as stack:
        if not case.viewers:
            (port,) = free_udp_ports(1)
            command = [program, "-q", f"srt://127.0.0.1:{port}?mode=listener", "file://con"]
            relay = stack.enter_context(Child(command, bench.server_cores, log=Path("/dev/null")))
            time.sleep(1)
            stack.enter_context(_publisher(case, bench, "srt", port, "cam"))
            time.sleep(_START)
            return _idle(case, [relay])
        ports = free_udp_ports(2 * case.viewers)
        relays = []
        for fed, watched in zip(ports[::2], ports[1::2], strict=True):
            command = [
                program, "-q", f"udp://127.0.0.1:{fed}",
                f"srt://127.0.0.1:{watched}?mode=listener&latency={LATENCY_MS}{secret}",
            ]  # fmt: skip
            relays.append(stack.enter_context(Child(command, bench.server_cores, log=Path("/dev/null"))))
        time.sleep(1)
        stack.enter_context(_publisher(case, bench, "udp", *ports[::2]))
        return _watch(case, bench, relays, "-", ports[1::2], connections=1)


def _publisher(case: SrtCase, bench: Bench, way: str, *where: object) -> Child:
    picture = picture_of(case)
    loops = int((_START + _JOIN + _SETTLE + case.seconds + 25) // SECONDS) + 1
    stream = cached_stream(picture, loops)
    secret = PASSPHRASE if case.encrypted and way == "srt" else ""
    command = [
        sys.executable, "-m", "bench.srt.publisher", str(stream), str(loops * SECONDS), secret, way, *map(str, where)
    ]  # fmt: skip
    child = Child(command, bench.other_cores)
    child.wait_event("publishing", 20)
    return child


def picture_of(case: SrtCase) -> Picture:
    """What is published."""
    return TEN_MEGABIT if case.kilobits == 10_000 else HIGH


def _idle(case: SrtCase, servers: Sequence[Child]) -> SrtMeasurement:
    began, cpu = time.monotonic(), _cpu(servers)
    time.sleep(case.seconds)
    share = (_cpu(servers) - cpu) / (time.monotonic() - began)
    rate = bytes_per_second(load(cached_messages(picture_of(case))))
    return SrtMeasurement(share, rate / 1e6)


def _watch(
    case: SrtCase, bench: Bench, servers: Sequence[Child], stream_id: str, ports: Sequence[int], *, connections: int
) -> SrtMeasurement:
    numbers = map(str, (_JOIN if case.viewers > 1 else 0.0, _SETTLE, case.seconds))
    secret = PASSPHRASE if case.encrypted else ""
    command = [sys.executable, "-m", "bench.srt.viewers", stream_id, secret, *numbers, *map(str, ports)]
    with Child(command, bench.other_cores) as client:
        client.wait_event("steady", _JOIN + _SETTLE + 20)
        began, cpu = time.monotonic(), _cpu(servers)
        client.wait_event("end", case.seconds + 10)
        share = (_cpu(servers) - cpu) / (time.monotonic() - began)
        result = client.wait_event("result", 10)
    late = Histogram({int(index): times for index, times in result["latency"].items()})
    median, slow = (late.quantile_ms(share) for share in (0.5, 0.95))
    waited = LATENCY_MS * connections
    return SrtMeasurement(
        share,
        result["payload"] / result["seconds"] / 1e6,
        None if median is None else median - waited,
        None if slow is None else slow - waited,
        result["cpu"] / result["seconds"],
        result["faults"],
    )


def _cpu(servers: Sequence[Child]) -> float:
    return sum(cpu_seconds(server.pid) for server in servers)


def free_udp_ports(count: int) -> list[int]:
    """UDP ports of loopback that nobody has now."""
    with ExitStack() as stack:
        made = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for each in made:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in made]


def _of_relay(row: Row) -> str:
    return "–" if row.relay is None else f"{row.relay.core_share * 100:.1f}"


def _added(found: SrtMeasurement | None) -> str:
    return "–" if found is None or found.added_p50_ms is None else milliseconds(found.added_p50_ms, found.added_p95_ms)


_COLUMNS: Sequence[Column[Row]] = (
    ("viewers", lambda row: str(row.case.viewers)),
    ("Mb/s", lambda row: f"{row.case.kilobits / 1000:g}"),
    ("encrypted", lambda row: "AES-128" if row.case.encrypted else "no"),
    ("core %", lambda row: f"{row.server.core_share * 100:.1f}"),
    ("srt-live-transmit, core %", _of_relay),
    ("MB/s", lambda row: f"{row.server.delivered_mbs:.2f}"),
    ("added p50 / p95 ms", lambda row: _added(row.server)),
    ("srt-live-transmit, added p50 / p95 ms", lambda row: _added(row.relay)),
    ("lossless", lambda row: "yes" if row.server.lossless else "**no**"),
    ("client core %", lambda row: f"{row.server.client_core_share * 100:.0f}"),
)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return columns(_COLUMNS, rows)


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Each target that these rows can judge."""
    return [*_of_shares(rows), Verdict("no viewer misses a packet", *_losses(rows))]


def _losses(rows: Sequence[Row]) -> tuple[str, bool]:
    lossless = sum(row.server.lossless for row in rows)
    return f"{lossless} of {len(rows)} cases lossless", lossless == len(rows)


def _of_shares(rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        share = row.server.core_share * 100
        if not row.case.viewers:
            yield at_most("one publisher at 10 Mb/s", share, PUBLISHER_SHARE * 100, "% of a core")
        elif row.case.viewers == CROWD and not row.case.encrypted:
            yield at_most("50 viewers at 2.6 Mb/s", share, CROWD_SHARE * 100, "% of a core")
