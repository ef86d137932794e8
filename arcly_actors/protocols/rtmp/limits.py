"""The bounds that one RTMP engine keeps, as a value a topology can set."""

from dataclasses import dataclass

from arcly_actors import limits


@dataclass(frozen=True, slots=True)
class RtmpLimits:
    """Bounds of one connection; times are ns, sizes bytes. The reasons stand in `arcly_actors.limits`."""

    handshake_timeout: int = limits.HANDSHAKE_TIMEOUT
    idle_timeout: int = limits.IDLE_TIMEOUT
    max_frame: int = limits.MAX_MESSAGE
    max_command: int = limits.MAX_COMMAND_SIZE
    max_chunk_streams: int = limits.MAX_CHUNK_STREAMS
    max_message_streams: int = limits.MAX_MESSAGE_STREAMS
    max_held_input: int = limits.MAX_HELD_INPUT


OUTGOING_CHUNK_SIZE = 65536
"""The one chunk size we send, to every peer: all viewers can then share the very same bytes.

Large, because a chunk boundary costs a copy here and a header parse at the peer; 65536 because that is the largest
value that every known client takes (Flash and hardware decoders stop there, as did the specification's first text).
Publishers gain too: FFmpeg adopts the server's size instead of its own 128.
"""

WINDOW_SIZE = 2_500_000
"""Acknowledgement window that we announce and, until the peer names one, keep: what FMS has always used."""
