"""Bounds of sockets, TLS and HTTP. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

MAX_CONNECTIONS = 10_000
"""Connections of one engine over all its listeners: at 40 kB a viewer this is 400 MB."""

ACCEPT_BACKLOG = 1024
"""Connections the kernel holds for us: a flash crowd of a thousand viewers within one slow loop turn."""

ACCEPT_BURST = 64
"""Accepts per loop turn, so that a flood of connects does not hold up the media of those already here."""

ACCEPT_RETRY = 500 * NS_PER_MS
"""Pause after the process ran out of descriptors: accepting again at once would only spin."""

COMPLAINT_INTERVAL = 10 * NS_PER_S
"""One report per reason in this time; what happened in between is counted in the next one."""

TLS_HANDSHAKE_TIMEOUT = 10 * NS_PER_S
"""A TLS handshake is two round trips; satellites need 2 s, a silent peer never finishes."""

LINGER_TIMEOUT = 2 * NS_PER_S
"""How long a finished connection may take to fetch its last bytes before it is cut off."""

ORPHAN_TIMEOUT = 10 * NS_PER_S
"""A connection whose session crashed waits this long for the restarted one: a few back-offs of a supervisor."""

ORPHAN_EVENTS = 256
"""Events kept for a session that is not there yet. Reading is paused, so only timers of the engine can add to them."""

REPLY_BACKLOG = 256 * 1024
"""Unsent bytes at which a peer is no longer read: one that asks and does not fetch the answers costs no more."""

UNSENT_IN_KERNEL = 256 * 1024
"""Bytes per connection that the kernel takes ahead of the network (TCP_NOTSENT_LOWAT): 0.8 s of a 2.6 Mb/s stream,
against the 4 MB that its own tuning allows, so a stalled viewer is noticed early and costs little."""

KEEPALIVE_IDLE = 30 * NS_PER_S
"""Silence before TCP asks whether the peer is still there; below the usual NAT time-out of a minute."""

KEEPALIVE_INTERVAL = 10 * NS_PER_S
"""Between two unanswered questions."""

KEEPALIVE_PROBES = 3
"""Unanswered questions until the peer counts as gone: a minute in all."""

HTTP_HEADER_TIMEOUT = 5 * NS_PER_S
"""From the first byte of a request (or from accept) to the end of its header: real clients send it in one segment."""

HTTP_BODY_TIMEOUT = 10 * NS_PER_S
"""For a whole request body; ours are SDP offers and small JSON."""

HTTP_BODY = 256 * 1024
"""The largest request body: an SDP offer with every codec and candidate has about 20 kB."""

HTTP_LINE = 8190
"""The request line and each header field; signed URLs have up to 2 kB."""

HTTP_FIELDS = 64
"""Header fields of one request; browsers send about 20."""

HTTP_KEEPALIVE = 30 * NS_PER_S
"""An idle kept-alive connection: longer than a segment of any playlist."""

HTTP_STALL_TIMEOUT = 15 * NS_PER_S
"""A response of which the client takes not one byte for this long is cut off."""

HTTP_DRAIN = 3 * NS_PER_S
"""What running requests get to finish when the site stops."""

HTTP_UNASKED = 64 * 1024
"""Bytes that a client may send during a streamed response; there is nothing for it to say."""

HTTP_CALL = 10 * NS_PER_S
"""For a request of ours and its whole answer, from the name look-up on: as `DIAL_TIMEOUT`, and the answer is small."""

HTTP_REPLY = 64 * 1024 + 1
"""Bytes read of an answer to us: a session description at its bound (`SDP_CHARACTERS`), and one more."""

DATAGRAM_TICK = 10 * NS_PER_MS
"""The pace of a busy datagram port, which is that of SRT's acknowledgements: it is read, and the deadlines of all its
connections are looked at. It adds to round trips, and to nothing that is delivered by its time stamp."""

DATAGRAM_REST = 1 * NS_PER_S
"""How often they are looked at where nothing is due: a port at rest costs nothing."""

DATAGRAM_SOONEST = 3 * NS_PER_MS
"""The fastest pace, when a connection asks for it because something is missing."""

DATAGRAM_STALL = 100 * NS_PER_MS
"""A pulse that is this late reads its port before it judges deadlines: what a peer sent meanwhile waits in the socket,
and the peer would be called silent for a stall of our own."""

DATAGRAM_CATCH_UP = 64
"""Times `UDP_READS` that it reads then, at most: 4096 datagrams are what `UDP_KERNEL_BUFFER` has room for, and 0.1 s of
work."""

DATAGRAM_BUSY = 16
"""So many wake-ups, each within `DATAGRAM_TICK` of the one before, make a port busy; as many pulses without a datagram
end that."""
