"""Bounds of RTMP. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

HANDSHAKE_TIMEOUT = 5 * NS_PER_S
"""From accept to the first proper request: a real client needs well under a second, a half-open one never comes."""

IDLE_TIMEOUT = 60 * NS_PER_S
"""A connection that neither publishes nor plays: long enough for an encoder that connects before the show starts."""

MAX_MESSAGE = 8 * 1024 * 1024
"""One media message: the largest 4K intra frames at 100 Mb/s are about 4 MiB."""

MAX_COMMAND_SIZE = 64 * 1024
"""One command, control or metadata message; real ones are under 2 KiB. Also the bound on everything that a peer
sends before it has been let in."""

MAX_CHUNK_STREAMS = 64
"""Chunk streams of one RTMP connection: clients use three to six; each costs a header state and a partial message."""

MAX_MESSAGE_STREAMS = 8
"""Message streams (createStream) of one RTMP connection: clients use one, test players two."""

MAX_AGGREGATE_PARTS = 1024
"""Messages inside one RTMP aggregate: real ones bundle a second of media, and an empty one costs only 15 bytes."""

MAX_HELD_INPUT = 1024 * 1024
"""Bytes kept while a request waits for its answer: a second of an eager 8 Mb/s encoder, an answer takes milliseconds."""

MAX_AMF_DEPTH = 16
"""Nesting of AMF values: real metadata has depth three; deeper only costs stack."""

MAX_AMF_TEXT = 1024 * 1024
"""Characters one AMF3 message may repeat through string references: two bytes can stand for the whole table."""

MAX_STREAM_PATH = 512
"""Characters of an application and stream name together: it ends up in file names, URLs and log lines."""

MAX_QUERY_FIELDS = 32
"""Parameters in the query string of a stream's address."""
