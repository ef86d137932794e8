"""aiortc's whole RTCPeerConnection as a WHEP viewer and WHIP sender: nothing of ours in ICE, DTLS, SRTP or codecs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack
from numpy.typing import NDArray

from arcly_actors.ingest.picture import tone
from tests.support import bars
from tests.support.live import Live
from tests.support.signalling import post_offer, session_of
from tests.support.waiting import Noticing


class AiortcViewer(Noticing):
    """What a viewer has decoded so far: pictures, how many of them show the bars, samples of sound and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.decoded = 0
        self.barred = 0
        self.samples = 0
        self.loudest = 0
        self.ended: set[str] = set()

    def __repr__(self) -> str:
        return f"decoded={self.decoded}, barred={self.barred}, samples={self.samples}, loudest={self.loudest}"

    async def watch(self, track: MediaStreamTrack) -> None:
        """Decode a track until it ends."""
        with contextlib.suppress(Exception):  # MediaStreamError, which is how aiortc tells the end
            while True:
                self._take(await track.recv())
        self.ended.add(track.kind)
        self.notice()

    def _take(self, frame: Any) -> None:
        if isinstance(frame, av.VideoFrame):
            self.decoded += 1
            self.barred += bars.shows_bars(bars.rgb(frame))
        else:
            sound: NDArray[np.int16] = frame.to_ndarray()
            self.samples += frame.samples
            self.loudest = max(self.loudest, int(np.abs(sound).max()))
        self.notice()


@contextlib.asynccontextmanager
async def _connection() -> AsyncIterator[RTCPeerConnection]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield peer
    finally:
        await peer.close()


async def _negotiate(peer: RTCPeerConnection, url: str) -> Any:
    await peer.setLocalDescription(await peer.createOffer())
    answered = await post_offer(url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answered.sdp, type="answer"))
    return answered


@contextlib.asynccontextmanager
async def aiortc_watches(server: Live, path: str = "live/cam", codec: str = "H264") -> AsyncIterator[AiortcViewer]:
    """A WHEP viewer that takes this video codec and Opus, for the length of a block."""
    viewer, watching = AiortcViewer(), []
    async with _connection() as peer:
        peer.addTransceiver("audio", direction="recvonly")
        video = peer.addTransceiver("video", direction="recvonly")
        video.setCodecPreferences(_only(RTCRtpReceiver, codec))
        peer.on("track", lambda track: watching.append(asyncio.create_task(viewer.watch(track))))
        answered = await _negotiate(peer, server.http(f"{path}/whep"))
        async with session_of(answered):
            yield viewer
    await asyncio.gather(*watching)


class _Bars(VideoStreamTrack):
    """The pattern's pictures in real time."""

    def __init__(self) -> None:
        super().__init__()
        self._index = 0

    async def recv(self) -> av.VideoFrame:
        """The next one, when it is due."""
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(bars.picture(self._index), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        self._index += 1
        return frame


class _Tone(AudioStreamTrack):
    """Its sound."""

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, when they are due: as long as aiortc's own silence."""
        silence: Any = await super().recv()
        at, count = silence.pts or 0, silence.samples
        wave = tone(at * bars.RATE // silence.sample_rate, count, silence.sample_rate)
        samples = (wave * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = silence.sample_rate, at, Fraction(1, silence.sample_rate)
        return frame


@contextlib.asynccontextmanager
async def aiortc_publishes(server: Live, path: str = "live/cam", codec: str = "VP8") -> AsyncIterator[RTCPeerConnection]:
    """A WHIP sender of the bars in this codec and a tone in Opus, for the length of a block."""
    async with _connection() as peer:
        peer.addTransceiver(_Tone(), direction="sendonly")
        video = peer.addTransceiver(_Bars(), direction="sendonly")
        video.setCodecPreferences(_only(RTCRtpSender, codec))
        answered = await _negotiate(peer, server.http(f"{path}/whip"))
        async with session_of(answered):
            yield peer


def _only(end: type[RTCRtpReceiver | RTCRtpSender], name: str) -> list[Any]:
    able = end.getCapabilities("video")
    assert able is not None
    return [each for each in able.codecs if each.mimeType.lower() in (f"video/{name.lower()}", "video/rtx")]
