"""Record what real clients send: ``python -m tests.support.record_rtsp`` rewrites ``tests/data/rtsp/*.bin``.

Each client talks to the server engine over loopback, within the connection; the bytes that it sent are written as they
came, joined. Clients that are not installed are named and left alone.
"""

import sys

from arcly_actors.clock import SystemClock
from arcly_actors.egress.rtsp import Line, RtspEncoder
from arcly_actors.protocols.rtsp.description import write
from arcly_actors.protocols.rtsp.events import PlayRequested
from arcly_actors.protocols.rtsp.server import ServerRules
from tests.support.recording import Recording, record_all
from tests.support.rtsp import RECORDINGS, TRACKS, Served, describe
from tests.support.streams import clip

_PICTURE = ["-f", "lavfi", "-i", "testsrc=size=160x90:rate=15:duration=1"]
_SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1"]
_FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin"]
_CODECS = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-b:v", "150k"]
_CODECS += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "32k"]
_TCP = ["-f", "rtsp", "-rtsp_transport", "tcp", "{url}"]
_PUBLISH_8 = """
import sys, av, fractions, numpy
out = av.open(sys.argv[1], "w", format="rtsp", options={"rtsp_transport": "tcp"})
video = out.add_stream(sys.argv[2], rate=15, options={"preset": "ultrafast", "x265-params": "log-level=none"})
video.width, video.height, video.pix_fmt, video.bit_rate = 160, 90, "yuv420p", 150_000
video.codec_context.flags |= 1 << 22
sound = out.add_stream("libopus", rate=48000)
sound.layout = "stereo"
for number in range(15):
    pixels = numpy.full((90, 160, 3), number * 8, numpy.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = number, fractions.Fraction(1, 15)
    out.mux(video.encode(frame))
    wave = av.AudioFrame.from_ndarray(numpy.zeros((1, 6400), numpy.int16), format="s16", layout="stereo")
    wave.sample_rate, wave.pts = 48000, number * 3200
    out.mux(sound.encode(wave))
out.mux(video.encode()), out.mux(sound.encode())
out.close()
"""
_PLAY_8 = """
import sys, av
with av.open(sys.argv[1], options={"rtsp_transport": "tcp"}) as source:
    for number, packet in enumerate(source.demux()):
        if number == 20:
            break
"""
_GST_VIDEO = ["videotestsrc", "num-buffers=15", "!", "video/x-raw,width=160,height=90,framerate=15/1", "!"]


RECORDINGS_TO_MAKE = [
    Recording("ffmpeg-5.1-publish", [*_FFMPEG, *_PICTURE, *_SOUND, *_CODECS, *_TCP]),
    Recording("ffmpeg-5.1-publish-g711", [*_FFMPEG, *_SOUND, "-c:a", "pcm_mulaw", "-ar", "8000", *_TCP], "live/cam"),
    Recording("ffmpeg-5.1-play", [*_FFMPEG, "-rtsp_transport", "tcp", "-i", "{url}", "-t", "0.5", "-f", "null", "-"]),
    Recording("ffmpeg-8-publish-h264", [sys.executable, "-c", _PUBLISH_8, "{url}", "libx264"]),
    Recording("ffmpeg-8-publish-hevc", [sys.executable, "-c", _PUBLISH_8, "{url}", "libx265"]),
    Recording("ffmpeg-8-play", [sys.executable, "-c", _PLAY_8, "{url}"]),
    Recording(
        "gstreamer-1.22-publish",
        [
            *("gst-launch-1.0", "-q", *_GST_VIDEO, "x264enc", "tune=zerolatency", "key-int-max=15", "!"),
            *("rtspclientsink", "protocols=tcp", "location={url}"),
        ],
        "live/cam",
    ),
    Recording(
        "gstreamer-1.22-play",
        [
            *("gst-launch-1.0", "-q", "rtspsrc", "protocols=tcp", "location={url}", "!", "rtph264depay", "!"),
            *("fakesink", "num-buffers=10"),
        ],
    ),
]


class _Player:
    """A server that plays the clip to whoever asks."""

    def __init__(self) -> None:
        self._served = Served(ServerRules())

    def receive(self, data: bytes) -> bytes:
        """See `recording.Peer.receive`."""
        served = self._served
        served.receive(data)
        answer = bytes(served.sent)
        served.sent.clear()
        played = [event for event in served.events if isinstance(event, PlayRequested)]
        if played:
            served.events.clear()
            answer += _clip_for(played[0])
        return answer

    @property
    def over(self) -> bool:
        """See `recording.Peer.over`."""
        return self._served.hangup is not None


def _clip_for(asked: PlayRequested) -> bytes:
    """The clip for a player: three times its two seconds."""
    _, description = write(TRACKS, "")
    lines = [Line(description.media[setup.medium], setup.transport.channels or (0, 1)) for setup in asked.setups]
    encoder = RtspEncoder(lines, b"seed", 1, SystemClock())
    encoder.follow(TRACKS)
    return encoder.opening(TRACKS, {}, 0) + b"".join(encoder.frame(frame) for frame in clip().play(6))


def _told(data: bytes) -> list[str]:
    served = Served(ServerRules())
    served.receive(data)
    return [line for event in served.events for line in describe(event)]


if __name__ == "__main__":
    record_all(RECORDINGS_TO_MAKE, sys.argv[1:], RECORDINGS, "rtsp", _Player, _told)
