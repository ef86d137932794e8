"""A server in the foreground: what `arcly run` and `arcly demo` have in common."""

import asyncio
import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from rich.text import Text

from arcly_actors.cli.announce import announcement
from arcly_actors.cli.exits import Exit
from arcly_actors.cli.interrupts import Interrupts
from arcly_actors.cli.journal import Journal
from arcly_actors.cli.logging import start_logging, stop_logging
from arcly_actors.cli.status import StatusLine
from arcly_actors.cli.terminal import errors, output
from arcly_actors.clock import Clock, SystemClock
from arcly_actors.engine import Engine
from arcly_actors.errors import AddressUnavailable, ArclyError, ConfigurationError
from arcly_actors.loop import run
from arcly_actors.runtime import tune_collector
from arcly_actors.topology import Address, Topology

_log = logging.getLogger("arcly_actors.serve")


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve and what to say about it: `pattern` is the test pattern's key ("": none), `advice` tells who finds
    `{name}`'s address taken what to do, which `{key}` of the topology says."""

    topology: Topology
    level: int
    note: str = ""
    pattern: str = ""
    advice: str = "Stop the program that has it, or give endpoints.{key} another address."


def serve(serving: Serving) -> Exit:
    """Serve until SIGINT or SIGTERM, or until the engine fails."""
    console = errors()
    clock = SystemClock()
    with ExitStack() as stack:
        lines = start_logging(serving.level, console)
        stack.callback(stop_logging, lines)
        status = StatusLine(console, clock)
        try:
            return run(_serve(serving, clock, status, lines))
        except AddressUnavailable as error:
            console.print(Text(f"arcly: {error}. {_advice(serving, error)}", style="red"))
            return Exit.UNAVAILABLE


async def _serve(serving: Serving, clock: Clock, status: StatusLine, lines: logging.Handler) -> Exit:
    engine, journal = Engine(serving.topology, clock=clock), Journal(clock)
    engine.events.observable.subscribe(journal, lambda error: _log.error("no more events are logged", exc_info=error))
    with Interrupts(clock, status.clear) as interrupts, status:
        # Why an endpoint cannot start is told once, by `serve`; not as the failure of an actor, too.
        lines.addFilter(_no_configuration_error)
        async with engine:
            lines.removeFilter(_no_configuration_error)
            http = serving.topology.endpoints.http
            for line in announcement(
                engine.addresses,
                tuple(serving.topology.applications),
                https=http.tls is not None,
                pattern=serving.pattern,
                note=serving.note,
            ):
                output().print(line)
            if serving.pattern:
                await engine.start_pattern(serving.pattern)
            tune_collector()
            code = await _until_over(engine, interrupts, status, journal)
    _log.info("stopped")
    return code


async def _until_over(engine: Engine, interrupts: Interrupts, status: StatusLine, journal: Journal) -> Exit:
    failed = asyncio.ensure_future(engine.failed())
    asked = asyncio.ensure_future(interrupts.asked.wait())
    try:
        while not (failed.done() or asked.done()):
            status.show(engine.streams)
            await asyncio.wait((failed, asked), timeout=1, return_when=asyncio.FIRST_COMPLETED)
            journal.tick()
        if failed.done():
            failed.result()
    except ArclyError as error:
        _log.critical("%s", error)
        return Exit.FAILED
    finally:
        for task in (failed, asked):
            task.cancel()
        with suppress(asyncio.CancelledError, ArclyError):
            await failed
    journal.stopping = True
    _log.info("stopping; another Ctrl-C stops at once")
    return Exit.OK


def _no_configuration_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ConfigurationError))


def _advice(serving: Serving, error: AddressUnavailable) -> str:
    endpoints = serving.topology.endpoints
    taken = {str(address): (name, f"{name}.listen") for name, address in endpoints.listeners().items()}
    if endpoints.rtsp.udp_ports is not None:
        ports = endpoints.rtsp.udp_ports
        udp = [str(Address(endpoints.rtsp.listen.host, port)) for port in (ports.rtp, ports.rtcp)]
        taken = {**dict.fromkeys(udp, ("rtsp", "rtsp.udp_ports")), **taken}
    name, key = taken.get(error.address, ("rtmp", "rtmp.listen"))
    return serving.advice.format(name=name, key=key)
