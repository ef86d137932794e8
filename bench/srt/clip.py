"""The clips as a transport stream of some minutes: the same frames again and again with rising times, FFmpeg's muxer."""

import io
from collections.abc import Iterator
from pathlib import Path

import av

from bench.clip import HIGH, SECONDS, ClipMessage, Picture, cached, cached_clip, load
from bench.stamp import NAME

TEN_MEGABIT = Picture(1280, 720, 10_000_000)
PACKET, CHUNK = 188, 1316
DIGITS = 24


def cached_stream(picture: Picture = HIGH, loops: int = 6) -> Path:
    """The stream's file, made when it is not there yet."""
    return cached(f"{picture.name}-{loops * SECONDS}s-v1.ts", lambda: _mux(load(cached_clip(picture)), loops))


def stamps(stream: bytes) -> Iterator[int]:
    """Where in the stream the digits of those stamps begin that lie within one TS packet."""
    at = stream.find(NAME)
    while at >= 0:
        digits = at + len(NAME)
        if at // PACKET == (digits + DIGITS - 1) // PACKET:
            yield digits
        at = stream.find(NAME, digits)


def _mux(messages: list[ClipMessage], loops: int) -> bytes:
    flv = io.BytesIO(_flv(messages, loops))
    out = io.BytesIO()
    with av.open(flv, "r", format="flv") as source, av.open(out, "w", format="mpegts") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return out.getvalue()


def _flv(messages: list[ClipMessage], loops: int) -> bytes:
    parts = [b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"]
    for loop in range(loops):
        parts += [
            _tag(message, loop * SECONDS * 1000 + message.dts_ms) for message in messages if message.frame or not loop
        ]
    return b"".join(parts)


def _tag(message: ClipMessage, milliseconds: int) -> bytes:
    size = len(message.payload)
    time = (milliseconds & 0xFFFFFF).to_bytes(3) + (milliseconds >> 24).to_bytes(1)
    head = bytes([message.type]) + size.to_bytes(3) + time + bytes(3)
    return head + message.payload + (11 + size).to_bytes(4)
