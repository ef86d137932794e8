"""Which pull brings in which URL: one row per scheme."""

from collections.abc import Mapping
from typing import Final

from arcly_actors.bus.events import Events
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.av_pull import AvPulls
from arcly_actors.ingest.played_pull import PlayedPull
from arcly_actors.ingest.pull import PullFactory, PullRequest
from arcly_actors.ingest.rtmp_pull import RtmpPull
from arcly_actors.ingest.rtsp_pull import RtspPull
from arcly_actors.ingest.srt_pull import SrtPull
from arcly_actors.ingest.udp_pull import UdpPull
from arcly_actors.runtime import System
from arcly_actors.transport.feed_address import is_feed

AV_SCHEMES: Final = frozenset(
    {"file", "ftp", "http", "https", "mmsh", "mmst", "rtmpe", "rtmpt", "rtmpte", "rtmpts", "rtp", "tcp", "tls", "udp"}
)  # fmt: skip
"""What FFmpeg's demuxers reach, without those protocols of its that only name other inputs (concat, pipe, subfile…)."""

OWN_SCHEMES: Final = frozenset({"rtmp", "rtmps", "rtsp", "rtsps", "srt"})
"""What our own protocol engines pull, with better errors and without a thread."""

PULL_SCHEMES: Final = AV_SCHEMES | OWN_SCHEMES


def pull_factories(events: Events) -> Mapping[str, PullFactory]:
    """The pulls of one engine by scheme; a later row wins."""
    av_pulls = AvPulls(events)

    def through_ffmpeg(system: System, request: PullRequest, owner: Ref) -> Ref:
        # It has sockets of its own, which a scripted network cannot stand in for; but a script may have what it read.
        network = system.seams.network
        elsewhere = network is not None and (request.url.scheme != "file" or network.plays(request.remote))
        start: PullFactory = PlayedPull.start if elsewhere else av_pulls
        return start(system, request, owner)

    def rtmp(system: System, request: PullRequest, owner: Ref) -> Ref:
        # Adobe's and Limelight's ways to log in are FFmpeg's to know.
        start: PullFactory = through_ffmpeg if request.url.user else RtmpPull.start
        return start(system, request, owner)

    def udp(system: System, request: PullRequest, owner: Ref) -> Ref:
        # What our address has no word for (FFmpeg's fifo_size and the like, a host by name) is FFmpeg's to know.
        start: PullFactory = UdpPull.start if is_feed(request.url.text) else through_ffmpeg
        return start(system, request, owner)

    own: dict[str, PullFactory] = {
        **dict.fromkeys(("rtmp", "rtmps"), rtmp),
        **dict.fromkeys(("rtsp", "rtsps"), RtspPull.start),
        "srt": SrtPull.start,
        "udp": udp,
    }
    return {**dict.fromkeys(AV_SCHEMES, through_ffmpeg), **own}
