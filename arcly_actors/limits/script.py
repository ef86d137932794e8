"""Bounds of message scripts and tapes. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

SCRIPT_LINE = 64 * 1024 * 1024
"""The longest line of a script: the largest write there is, a cached GOP at 32 MiB, in base64."""

SCRIPT_RECORDS = 5_000_000
"""Records of one script: ten hours of one publisher and one player; more is a mistake, and would fill the memory."""

SCRIPT_SPAN = 24 * 3600 * NS_PER_S
"""The latest time in a script, so that a slip of the pen (an hour for a second) does not run for ever."""

TAPE_SIZE = 256 * 1024 * 1024
"""What a tape takes before it ends by itself: 13 minutes of a 2.6 Mb/s publisher."""

TAPE_BACKLOG = 32 * 1024 * 1024
"""What waits for a tape's reader or disk: 100 s of such a publisher. More is lost, and counted."""

TAPE_UNDECIDED = 8 * 1024 * 1024
"""What is kept of a connection while it has not said which stream it is about: a handshake and its first GOP."""

TAPES_AT_ONCE = 4
"""Tapes that are recorded over the API at once: each costs some per cent of a core, and up to `TAPE_BACKLOG`."""

TAPE_DRAWS = 256
"""Draws of entropy kept from an engine's start, which every tape begins with; a topology draws a few per endpoint."""

RECORDING_TAPES = 10
"""Tapes of an entry of `record:` unless it says otherwise: an encoder that reconnects all night is to fill no disk."""

RECORDING_RENEWAL = 3600 * NS_PER_S
"""A tape that waits for its stream so long is begun anew: what is on it is of no use, and a script is a day at most."""

FAULTS = 1000
"""Entries of `faults:`."""

FAULT_BACKLOG = 4096
"""Reads that may wait on one connection for a fault to be over, in practice of some kB each. More come at once."""

FAULT_SILENCE = 8 * NS_PER_S
"""Nothing comes for so long of a peer of datagrams that is disconnected on purpose: longer than SRT and feeds wait."""

RETRANSMISSION = NS_PER_S // 5
"""How late comes over TCP what was lost: the shortest retransmission timeout of Linux (RFC 6298 asks for a second)."""

RECORDINGS = 100
"""Entries of `record:`."""

TAPE_UNDECIDED_FOR = 15 * NS_PER_S
"""Who has sent datagrams for so long without being about any stream is not recorded: longer than an SRT handshake takes.
What comes after waits for the decision meanwhile."""

TAPE_PEERS = 4096
"""Peers of datagram sockets that one tape tells apart; anyone can send a datagram from any address."""

TAPE_SALTS = 256
"""Salts of keys (SRT) that one source or sink on a tape meets: each costs 2 ms, and anyone can send some to a port."""
