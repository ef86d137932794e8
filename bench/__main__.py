"""The command line of the benchmarks."""

import argparse
import shlex
import sys

from bench import rtsp
from bench.rtmp import FLUSH_MS, cases, run

_SERVER = [sys.executable, "-m", "arcly_actors", "run", "{topology}"]


def main() -> int:
    """Run what the arguments say; 1 when a viewer lost something."""
    if sys.argv[1:2] == ["rtsp"]:
        return rtsp.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    rtmp = parser.add_subparsers(required=True).add_parser("rtmp", help="RTMP in, RTMP out, N viewers")
    rtmp.add_argument(
        "--viewers", type=_counts, default=[1, 50, 200, 500, 1000], help="numbers of viewers, comma separated"
    )
    classes = ["all", "default", *map(str, FLUSH_MS)]
    rtmp.add_argument(
        "--class", dest="which", choices=classes, default="all", help="latency class, ms (default: %(default)s)"
    )
    rtmp.add_argument("--seconds", type=float, default=20.0, help="the steady window (default: %(default)s)")
    rtmp.add_argument("--save", action="store_true", help="write results/rtmp.json and the table in README.md")
    rtmp.add_argument(
        "--server", type=shlex.split, default=_SERVER, help="another server's command, with {topology} or {port}"
    )
    options = parser.parse_args()
    return not run(cases(options.viewers, options.which, options.seconds), options.server, save=options.save)


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("each at least 1")
    return counts


if __name__ == "__main__":
    sys.exit(main())
