"""Publish from Python: here a file with H.264 or H.265 and AAC (MP4), in real time, once.

Run it: ``python examples/publish.py clip.mp4``, and play ``rtmp://127.0.0.1:1935/live/made`` meanwhile.
"""

import asyncio
import sys
from pathlib import Path

import av

import arcly_actors as arcly
from arcly_actors.loop import run
from arcly_actors.media.describe import describe

NS_PER_S = 1_000_000_000


def read(path: Path) -> tuple[tuple[arcly.Track, ...], list[arcly.MediaFrame]]:
    """A file's tracks and its frames in the order of their DTS; times are nanoseconds."""
    with av.open(str(path), "r") as file:
        tracks = tuple(
            describe(
                arcly.Track(
                    id=stream.index,
                    codec=arcly.CodecId(stream.codec_context.codec.canonical_name),
                    configuration=bytes(stream.codec_context.extradata or b""),
                )
            )
            for stream in (*file.streams.video, *file.streams.audio)
        )
        by_id = {track.id: track for track in tracks}
        frames = [
            arcly.MediaFrame(
                track=by_id[packet.stream_index],
                pts=int((packet.pts or 0) * packet.time_base * NS_PER_S),
                dts=int(packet.dts * packet.time_base * NS_PER_S),
                payload=bytes(packet),
                keyframe=packet.is_keyframe,
            )
            for packet in file.demux()
            if packet.dts is not None
        ]
    return tracks, sorted(frames, key=lambda frame: frame.dts)


async def publish(engine: arcly.Engine, key: str, path: Path) -> int:
    """Publish the file at `key`; how many frames that were. Raises `Refused` when the key is taken."""
    tracks, frames = read(path)
    async with engine.publish(key, tracks) as publisher:
        for number, frame in enumerate(frames):
            if number:
                await asyncio.sleep((frame.dts - frames[number - 1].dts) / NS_PER_S)
            publisher.send(frame)
    return len(frames)


async def main(path: Path, topology: arcly.Topology | None = None) -> int:
    """Serve, and publish the file at ``live/made``."""
    async with arcly.Engine(topology) as engine:
        return await publish(engine, "live/made", path)


if __name__ == "__main__":
    print(run(main(Path(sys.argv[1]))), "frames")
