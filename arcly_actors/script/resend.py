"""Playing a recording against a live server, ours or anyone's: what its publisher sent, in real time."""

import asyncio
from collections.abc import Sequence

from arcly_actors.bus.events import Event, SinkEnded, SinkFailed
from arcly_actors.clock import NS_PER_S, Clock, SystemClock
from arcly_actors.engine import Engine
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.frame import MediaFrame
from arcly_actors.script.record import Script
from arcly_actors.script.replay import frames_of
from arcly_actors.topology import Application, Endpoints, Http, Rtmp, Rtsp, Topology, WebRtc

_KEY = "script/recording"
_QUIET = Topology(
    applications={"script": Application()},
    endpoints=Endpoints(
        rtmp=Rtmp(enabled=False), rtsp=Rtsp(enabled=False), http=Http(enabled=False), webrtc=WebRtc(enabled=False)
    ),
)
_FAREWELL = 5
"""Seconds that the target has to take the last bytes."""


async def resend(script: Script, url: str, key: str = "") -> int:
    """Push the stream `key` of a script (the first unless named) to `url` at its own pace; the number of frames sent.

    Raises ConfigurationError for a URL that nothing can be pushed to, `ArclyError` when the server does not take it.
    """
    streams = frames_of(script)
    chosen = key or next(iter(streams), "")
    if chosen not in streams or not streams[chosen][1]:
        raise ArclyError(f"no such stream in the script; there is {', '.join(streams) or 'none'}")
    tracks, frames = streams[chosen]
    clock = SystemClock()
    async with Engine(_QUIET, clock=clock) as engine:
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()

        def happened(event: Event) -> None:
            if isinstance(event, SinkFailed) and not outcome.done():
                outcome.set_exception(ArclyError(event.error))
            elif isinstance(event, SinkEnded | SinkFailed):
                ended.set()

        engine.events.observable.subscribe(happened)
        await engine.push(_KEY, url)
        async with engine.publish(_KEY, tracks) as publisher:
            sending = asyncio.ensure_future(_send(publisher, frames, clock))
            await asyncio.wait((sending, outcome), return_when=asyncio.FIRST_COMPLETED)
            if outcome.done():
                sending.cancel()
                outcome.result()
            await sending
        engine.end_stream(_KEY, "the recording is over")
        async with asyncio.timeout(_FAREWELL):
            await ended.wait()
        outcome.cancel()
    return len(frames)


async def _send(publisher: PublishHandle, frames: Sequence[MediaFrame], clock: Clock) -> None:
    began, first = clock.monotonic_ns(), frames[0].dts
    for frame in frames:
        wait = began + frame.dts - first - clock.monotonic_ns()
        if wait > 0:
            await asyncio.sleep(wait / NS_PER_S)
        publisher.send(frame)
