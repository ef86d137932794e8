"""PyAV as a peer, in a process of its own because it holds the interpreter while it connects.

``python -m tests.support.av_peer publish URL FILE [OPTION=VALUE...]``: sends the file over and over in real time, until
its standard input ends; over WHIP or RTSP to a URL that says so, else as enhanced RTMP.
``python -m tests.support.av_peer play URL SECONDS``: plays and decodes that much, then prints what it saw as JSON.
"""

import json
import select
import sys
import time
from collections.abc import Iterator

import av
from av.stream import Stream

_ENHANCED = {"rtmp_enhanced_codecs": "hvc1,av01,vp09,Opus,ac-3,ec-3,fLaC", "flvflags": "no_duration_filesize"}
_TCP = {"rtsp_transport": "tcp", "strict": "experimental"}  # of AV1 it says that it is


def publish(url: str, path: str, options: dict[str, str]) -> None:
    """Copy the file's packets, never decoding."""
    form, defaults = _form(url)
    with av.open(path) as source, av.open(url, "w", format=form, container_options={**defaults, **options}) as out:
        streams = [out.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        began = time.monotonic()
        for packet, at in _for_ever(source):
            while (wait := began + at - time.monotonic()) > 0:
                if select.select([sys.stdin], [], [], wait)[0]:
                    return
            packet.stream = streams[packet.stream_index]
            out.mux_one(packet)


def _form(url: str) -> tuple[str, dict[str, str]]:
    if url.endswith("/whip"):
        return "whip", {}
    return ("rtsp", _TCP) if url.startswith("rtsp") else ("flv", _ENHANCED)


def _for_ever(source: av.container.InputContainer) -> "Iterator[tuple[av.Packet[Stream], float]]":
    """The packets over and over, and when each is due (s)."""
    start = 0.0
    while True:
        longest = 0.0
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            shift = round(start / packet.time_base)
            end = float((packet.dts + (packet.duration or 0)) * packet.time_base)
            packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
            longest = max(longest, end)
            yield packet, float(packet.dts * packet.time_base)
        start += longest
        source.seek(0)


def play(url: str, seconds: float) -> dict[str, object]:
    """Decode `seconds` of every stream."""
    with av.open(url, options=_TCP if url.startswith("rtsp") else {"rw_timeout": "8000000"}) as source:
        seen: list[dict[str, object]] = []
        for stream in source.streams:
            width = stream.codec_context.width if isinstance(stream, av.VideoStream) else 0
            seen.append(
                {"codec": stream.codec_context.name, "width": width, "packets": 0, "decoded": 0, "dts": [], "key": None}
            )
        first: float | None = None
        for packet in source.demux():
            if packet.size:
                told = seen[packet.stream_index]
                told["key"] = packet.is_keyframe if told["key"] is None else told["key"]
                told["decoded"] = _number(told["decoded"]) + len(packet.decode())
            if packet.dts is None or packet.time_base is None:  # of RTSP the first one, too
                continue
            at = float(packet.dts * packet.time_base)
            first = at if first is None else first
            told = seen[packet.stream_index]
            told["packets"] = _number(told["packets"]) + 1
            times = told["dts"]
            assert isinstance(times, list)
            times.append(packet.dts)
            if at - first >= seconds and all(_number(each["packets"]) > 5 for each in seen):
                break
    return {"streams": seen}


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(sys.argv[2], sys.argv[3], dict(option.split("=", 1) for option in sys.argv[4:]))
    else:
        sys.stdout.write(json.dumps(play(sys.argv[2], float(sys.argv[3]))))
