"""The command line of the benchmarks."""

import argparse
import shlex
import sys

from bench import rtmp, ts
from bench.rtsp import run as rtsp
from bench.srt import run as srt
from bench.whep import run as whep
from bench.whep.srtp import PROFILES

_SERVER = [sys.executable, "-m", "arcly_actors", "run", "{topology}"]


def main() -> int:
    """Run what the arguments say; 1 when a viewer lost something."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    over_rtmp = commands.add_parser("rtmp", help="RTMP in, RTMP out, N viewers")
    over_webrtc = commands.add_parser("whep", help="RTMP in, WebRTC out, N viewers")
    over_srt = commands.add_parser("srt", help="SRT in, SRT out, N viewers")
    over_rtsp = commands.add_parser("rtsp", help="RTMP in, RTSP out, N viewers")
    ladders = (
        (over_rtmp, [1, 50, 200, 500, 1000]),
        (over_webrtc, [1, 20, 100, 300]),
        (over_srt, [1, 50]),
        (over_rtsp, [1, 50, 200, 500]),
    )
    for command, default in ladders:
        command.add_argument("--viewers", type=_counts, default=default, help="numbers of viewers, comma separated")
        command.add_argument("--seconds", type=float, default=20.0, help="the steady window (default: %(default)s)")
        command.add_argument("--save", action="store_true", help="write the results and the table in README.md")
        command.add_argument(
            "--server", type=shlex.split, default=_SERVER, help="another server's command, with {topology} or {port}"
        )
    classes = ["all", "default", *map(str, rtmp.FLUSH_MS)]
    over_rtmp.add_argument(
        "--class", dest="which", choices=classes, default="all", help="latency class, ms (default: %(default)s)"
    )
    over_webrtc.add_argument(
        "--srtp", choices=list(PROFILES), default="gcm", help="what viewers offer: GCM first, or AES-CM alone"
    )
    over_rtsp.add_argument(
        "--transport", choices=[*rtsp.TRANSPORTS, "both"], default="both", help="what viewers ask for (default: both)"
    )
    over_ts = commands.add_parser("ts", help="MPEG-TS read and written on one core, without sockets")
    over_ts.add_argument("--megabytes", type=int, default=100, help="of transport stream (default: %(default)s)")
    options = parser.parse_args()
    if options.command == "ts":
        ts.show(options.megabytes)
        return 0
    if options.command == "rtmp":
        planned = rtmp.cases(options.viewers, options.which, options.seconds)
        return not rtmp.run(planned, options.server, save=options.save)
    if options.command == "srt":
        return not srt.run(srt.cases(options.viewers, options.seconds), options.server, save=options.save)
    if options.command == "rtsp":
        asked = rtsp.cases(options.viewers, options.transport, options.seconds)
        return not rtsp.run(asked, options.server, save=options.save)
    return not whep.run(whep.cases(options.viewers, options.srtp, options.seconds), options.server, save=options.save)


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("each at least 1")
    return counts


if __name__ == "__main__":
    sys.exit(main())
