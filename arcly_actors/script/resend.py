"""Playing a recording against a live server, ours or anyone's: what its publisher sent, in real time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from arcly_actors.bus.events import Event, SinkConnected, SinkEnded, SinkFailed, TranscodeStarted
from arcly_actors.clock import NS_PER_S, Clock, SystemClock
from arcly_actors.engine import Engine
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.frame import MediaFrame
from arcly_actors.script.record import Script
from arcly_actors.script.replay import frames_of
from arcly_actors.topology import Application, Endpoints, Http, Rtmp, Rtsp, Srt, Topology, WebRtc

_KEY = "script/recording"
_QUIET = Topology(
    applications={"script": Application()},
    endpoints=Endpoints(
        rtmp=Rtmp(enabled=False),
        rtsp=Rtsp(enabled=False),
        http=Http(enabled=False),
        webrtc=WebRtc(enabled=False),
        srt=Srt(enabled=False),
    ),
)
_PATIENCE = 5
"""Seconds that a target has to let itself be connected to before frames are sent anyway: it may want some to begin."""

_FAREWELL = 5
"""Seconds that the target has to take the last bytes."""


async def resend(script: Script, url: str, key: str = "", tell: Callable[[str], None] = lambda _note: None) -> int:
    """Push the stream `key` of a script (the first unless named) to `url` at its own pace; the number of frames sent.

    `tell` hears what goes out otherwise than it was recorded: what is transcoded, what the target does not take.
    Raises ConfigurationError for a URL that nothing can be pushed to, `ArclyError` when the server does not take it.
    """
    streams = await asyncio.to_thread(frames_of, script)  # a replay has a loop of its own
    chosen = key or next(iter(streams), "")
    if chosen not in streams or not streams[chosen][1]:
        raise ArclyError(f"no such stream in the script; there is {', '.join(streams) or 'none'}")
    tracks, frames = streams[chosen]
    clock = SystemClock()
    async with Engine(_QUIET, clock=clock) as engine:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connected, ended = asyncio.Event(), asyncio.Event()

        def happened(event: Event) -> None:
            if isinstance(event, SinkFailed) and not broken.done():
                broken.set_exception(ArclyError(event.error))
            elif isinstance(event, TranscodeStarted):
                tell(f"{event.source} is transcoded to {event.target}")
            elif isinstance(event, SinkConnected | SinkEnded):
                if isinstance(event, SinkConnected) and event.note:
                    tell(event.note)
                (connected if isinstance(event, SinkConnected) else ended).set()

        engine.events.observable.subscribe(happened)
        await engine.push(_KEY, url)
        try:
            async with engine.publish(_KEY, tracks) as publisher:
                await _unless(broken, connected.wait(), _PATIENCE)
                await _unless(broken, _send(publisher, frames, clock))
            engine.end_stream(_KEY, "the recording is over")
            await _unless(broken, ended.wait(), _FAREWELL)
        finally:
            broken.cancel()
    return len(frames)


async def _unless(broken: asyncio.Future[None], work: Coroutine[Any, Any, object], most: float | None = None) -> None:
    """Do it, for `most` seconds; raises what is `broken` meanwhile."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait((doing, broken), timeout=most, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            broken.result()
        if doing.done():
            doing.result()
    finally:
        doing.cancel()


async def _send(publisher: PublishHandle, frames: Sequence[MediaFrame], clock: Clock) -> None:
    began, first = clock.monotonic_ns(), frames[0].dts
    for frame in frames:
        wait = began + frame.dts - first - clock.monotonic_ns()
        if wait > 0:
            await asyncio.sleep(wait / NS_PER_S)
        publisher.send(frame)
