"""Real players, each run to its end: what ffprobe and FFmpeg's newer libraries (PyAV) make of an address of ours."""

import itertools
import json
import re
import sys
from dataclasses import dataclass

from tests.support.tools import run, running


@dataclass(frozen=True, slots=True)
class Seen:
    """One stream as a player saw it; `dts` in the player's own unit."""

    codec: str
    width: int
    packets: int
    decoded: int
    dts: tuple[int, ...]
    starts_with_keyframe: bool

    @property
    def monotonic(self) -> bool:
        """Whether DTS never goes back (it may stand still where a container's clock is coarse)."""
        return all(earlier <= later for earlier, later in itertools.pairwise(self.dts))


@dataclass(frozen=True, slots=True)
class Probed:
    """Every stream by its codec, and what the player complained of."""

    streams: tuple[Seen, ...]
    errors: str

    @property
    def codecs(self) -> list[str]:
        """The codecs, in the player's order made alphabetical."""
        return sorted(stream.codec for stream in self.streams)

    def __getitem__(self, codec: str) -> Seen:
        (found,) = (stream for stream in self.streams if stream.codec == codec)
        return found


async def ffprobe(url: str, seconds: float = 1.5, *options: str) -> Probed:
    """Play for `seconds` with Debian's ffprobe, which also decodes."""
    output, errors = await run(
        "ffprobe",
        # In FLV FFmpeg waits for a second track that may yet come for as long as it analyses: 5 s unless told.
        *("-v", "warning", *options, "-analyzeduration", "1000000", "-read_intervals", f"%+{seconds}", "-of", "json"),
        *("-show_entries", "stream=index,codec_name,width:packet=stream_index,dts,flags:frame=stream_index", "-i", url),
    )
    told = json.loads(output)
    both = told["packets_and_frames"]
    streams = []
    for stream in told["streams"]:
        mine = [item for item in both if item["stream_index"] == stream["index"]]
        packets = [item for item in mine if item["type"] == "packet"]
        dts = tuple(int(packet["dts"]) for packet in packets if "dts" in packet)
        key = bool(packets) and packets[0]["flags"].startswith("K")
        codec, width = stream.get("codec_name", "unknown"), int(stream.get("width", 0))
        streams.append(Seen(codec, width, len(packets), len(mine) - len(packets), dts, key))
    return Probed(tuple(streams), _RELOADED.sub("", errors))


# FFmpeg fetches the initialisation segment again each time it reloads a live playlist, then remarks that it knows it.
_RELOADED = re.compile(r"\[mov[^\]]*\] Found duplicated MOOV Atom. Skipped it\n")


async def av_play(url: str, seconds: float = 1.5) -> Probed:
    """Play for `seconds` with PyAV."""
    async with running(sys.executable, "-m", "tests.support.av_peer", "play", url, str(seconds)) as player:
        status = await player.status(25)
        assert status == 0, player.errors
        told = json.loads(player.output)
    streams = tuple(
        Seen(each["codec"], each["width"], each["packets"], each["decoded"], tuple(each["dts"]), bool(each["key"]))
        for each in told["streams"]
    )
    return Probed(streams, player.errors)
