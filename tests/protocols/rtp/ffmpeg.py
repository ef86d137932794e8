"""FFmpeg's RTP muxer, through PyAV: what another sender makes of a sample."""

from functools import cache

import av

from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.packet import RtpPacket
from tests.media import samples


class _Sink:
    """Every write of the muxer is a datagram."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.datagrams.append(bytes(data))
        return len(data)


@cache
def sent(name: str, codec: CodecId, size: int = 600) -> tuple[RtpPacket, ...]:
    """The RTP packets that FFmpeg sends for one track of a sample, of `size` bytes at most."""
    sink = _Sink()
    options = {"packetsize": str(size), "strict": "experimental"}
    with av.open(str(samples.DATA / name)) as source:
        track = next(item for item in source.streams if CodecId(item.codec_context.codec.canonical_name) is codec)
        with av.open(sink, "w", format="rtp", options=options) as out:
            target = out.add_stream_from_template(track, opaque=True)
            for packet in source.demux(track):
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
    return tuple(rtp.parse(data) for data in sink.datagrams if not rtp.is_rtcp(data))
