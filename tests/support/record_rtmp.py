"""Record what real clients send: ``python -m tests.support.record_rtmp`` rewrites ``tests/data/rtmp/``.

Each client talks to the server engine over loopback; the bytes that it sent are written as they came, joined. Clients
that are not installed are named and left alone.
"""

import sys

from arcly_actors.protocols.rtmp.events import EndPlay, PlayRequested, Send, ServerEvent
from tests.support.recording import Recording, record_all
from tests.support.rtmp import RECORDINGS, Served, as_messages, describe

_PICTURE = ["-f", "lavfi", "-i", "testsrc=size=160x90:rate=15:duration=2"]
_SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"]
_FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin"]
_CODECS = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-b:v", "150k"]
_CODECS += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "32k", "-f", "flv"]
_PYAV = """
import sys, av, fractions, numpy
codec = sys.argv[2]
out = av.open(sys.argv[1], "w", format="flv", container_options={"rtmp_enhanced_codecs": "hvc1,av01,vp09"})
video = out.add_stream(codec, rate=15, options={"preset": "ultrafast", "x265-params": "log-level=none"})
video.width, video.height, video.pix_fmt, video.bit_rate = 160, 90, "yuv420p", 150_000
audio = out.add_stream("aac", rate=44100)
for number in range(30):
    pixels = numpy.full((90, 160, 3), number * 8, numpy.uint8)
    pixels[:, number * 5 : number * 5 + 8] = 255
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = number, fractions.Fraction(1, 15)
    out.mux(video.encode(frame))
for number in range(86):
    sound = av.AudioFrame.from_ndarray(numpy.zeros((1, 1024), numpy.float32), format="fltp", layout="mono")
    sound.sample_rate, sound.pts = 44100, number * 1024
    out.mux(audio.encode(sound))
out.mux(video.encode()), out.mux(audio.encode())
out.close()
"""


RECORDINGS_TO_MAKE = [
    Recording("ffmpeg-5.1-publish", [*_FFMPEG, *_PICTURE, *_SOUND, *_CODECS, "{url}"]),
    Recording("ffmpeg-5.1-play", [*_FFMPEG, "-i", "{url}", "-c", "copy", "-f", "null", "-"]),
    Recording("ffmpeg-8-publish-h264", [sys.executable, "-c", _PYAV, "{url}", "libx264"]),
    Recording("ffmpeg-8-publish-hevc", [sys.executable, "-c", _PYAV, "{url}", "libx265"]),
    Recording("rtmpdump-2.4-play", ["rtmpdump", "-q", "-v", "-r", "{url}", "-o", "/dev/null"], "live/room/cam"),
    Recording(
        "gstreamer-1.22-publish",
        [
            *("gst-launch-1.0", "-q", "flvmux", "name=mux", "streamable=true", "!", "rtmp2sink", "location={url}"),
            *(
                "videotestsrc",
                "num-buffers=30",
                "!",
                "video/x-raw,width=160,height=90,framerate=15/1",
                "!",
                "openh264enc",
            ),
            *("gop-size=15", "bitrate=100000", "!", "h264parse", "!", "mux."),
            *("audiotestsrc", "num-buffers=86", "samplesperbuffer=1024", "!", "audio/x-raw,rate=44100,channels=1"),
            *("!", "voaacenc", "!", "aacparse", "!", "mux."),
        ],
    ),
    Recording("gstreamer-1.22-play", ["gst-launch-1.0", "-q", "rtmp2src", "location={url}", "!", "fakesink"]),
]


class _Player:
    """A server that plays what FFmpeg published to whoever asks."""

    def __init__(self) -> None:
        self._served = Served()

    def receive(self, data: bytes) -> bytes:
        """See `recording.Peer.receive`."""
        served = self._served
        served.receive(data)
        played = [event for event in served.events if isinstance(event, PlayRequested)]
        if played:
            served.command(Send(as_messages(_events(_PUBLISHED.read_bytes()), played[0].stream_id)))
            served.command(EndPlay(played[0].stream_id))
            served.events.clear()
        answer = bytes(served.sent)
        served.sent.clear()
        return answer

    @property
    def over(self) -> bool:
        """See `recording.Peer.over`."""
        return self._served.hangup is not None


_PUBLISHED = RECORDINGS / "ffmpeg-5.1-publish.bin"


def _events(data: bytes) -> list[ServerEvent]:
    served = Served()
    served.receive(data)
    return served.events


def _told(data: bytes) -> list[str]:
    return [describe(event) for event in _events(data)]


if __name__ == "__main__":
    record_all(RECORDINGS_TO_MAKE, sys.argv[1:], RECORDINGS, "rtmp", _Player, _told)
