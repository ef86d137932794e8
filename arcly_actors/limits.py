"""Every bound in one place, each with its reason. Sizes are bytes, times nanoseconds.

The ones an operator may want to move are also in the topology (`limits:` and the applications); these are their defaults.
"""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

# -- bus ------------------------------------------------------------------------------------------------------------

MAX_PUBLISHERS = 1000
"""Streams at once: a fleet of encoders gone wild must not take the machine."""

STREAM_LANE = 4096
"""Frames waiting for a stream's actor: several GOPs that a program sends at once; what is beyond is dropped, counted."""

EVENT_BACKLOG = 1024
"""Events a slow async reader may leave unread before it loses the oldest: minutes of ordinary operation."""

MAX_TRACKS = 16
"""Elementary streams of one stream: far more than encoders send."""

KEYFRAME_THROTTLE = 500 * NS_PER_MS
"""The least time between two keyframe requests to one publisher: an IDR costs an encoder several frames of bits."""

KEYFRAME_PATIENCE = 2 * NS_PER_S
"""Unanswered PLIs for this long turn into FIRs."""

FIRST_WRITE = 256 * 1024
"""How much of a cached GOP goes out in one write at a join; the rest follows by turns, so that joiners do not wait
for each other's whole GOPs."""

MAX_WRITE = 4 * 1024 * 1024
"""The largest single write to a viewer that catches up; it is also what a viewer that stops reading can hold."""

REATTACH_DELAY = 50 * NS_PER_MS
"""How soon a publisher or viewer asks again for a stream actor that is being restarted."""

REATTACH_PATIENCE = 10 * NS_PER_S
"""How long they keep asking before they give up: longer than the restart backoff of a single crash."""

QOS_WINDOW = 1 * NS_PER_S
"""The window of the bit and frame rates, and how often holds and idle publishers are looked at."""

# -- media ----------------------------------------------------------------------------------------------------------

FRAME_BYTES = 8 * 1024 * 1024
"""One frame or tag: a 4K intra picture at 100 Mb/s and 10 fps is 1.25 MB; the rest is room for lossless contribution."""

CONFIGURATION_BYTES = 64 * 1024
"""avcC, hvcC, OpusHead…: real ones stay below 4 kB, and every viewer is sent one."""

NAL_UNITS = 1500
"""Of one access unit: H.264 level 6.2 allows 600 slices; parameter sets, SEI and a second field come on top."""

OBUS = 1024
"""Of one AV1 temporal unit: 8 spatial layers of 128 tile groups; encoders make fewer than 20."""

SEI_MESSAGES = 64
"""Of one SEI unit: encoders put fewer than ten into one."""

PICTURE_SIDE = 16384
"""Pixels: no decoder that our protocols reach takes more, so a greater size is a damaged header."""
# -- runtime --------------------------------------------------------------------------------------------------------

MEDIA_LANE = 512
"""Media messages waiting in one actor's mailbox: about 10 s of 50 fps, past which they are too late to be of use."""

TURN_MESSAGES = 64
"""Messages one actor handles before the others have their turn: small enough for fairness, large enough to be cheap."""

DRAIN_MESSAGES = 1024
"""Messages handled before the event loop polls its sockets again: about 1-5 ms of work."""

VIRTUAL_ITERATIONS = 2_000_000
"""Turns of a virtual loop after which a scenario counts as running away: about half a minute of CPU."""

VIRTUAL_SPAN = 7 * 24 * 3600 * NS_PER_S
"""Virtual time after which it does: a timer that ticks once a second is found out after seconds of CPU."""

SHUTDOWN_TIMEOUT = 5 * NS_PER_S
"""How long a child may take to stop in order before its supervisor ends it: a disk flush, not a row of network waits."""


# -- HLS ------------------------------------------------------------------------------------------------------------

HLS_IDLE = 30 * NS_PER_S
"""Packaging stops when no playlist or segment was asked for this long: players ask every few seconds."""

HLS_WAIT = 10 * NS_PER_S
"""The longest a first request waits for a playable playlist: under the patience of players and proxies."""

HLS_LONGEST_SEGMENT = 30 * NS_PER_S
"""A GOP longer than this is cut off: players buffer whole segments, and the target duration follows the longest."""

HLS_LARGEST_SEGMENT = 64 * 1024 * 1024
"""Payload bytes of one segment: 30 s at 16 Mb/s."""

HLS_SHELF = 256 * 1024 * 1024
"""Segment bytes kept for one stream: a window and its grace at 2 s of 80 Mb/s."""

HLS_ENDED = 30 * NS_PER_S
"""How long the playlist of a stream that ended is still served: what slow players have yet to play."""

HLS_IN_FLIGHT = 8
"""Segments that may wait for the muxer: it takes milliseconds for each, so more means that it hangs."""

HLS_MUXER_FAILURES = 3
"""Muxer crashes in a row before the stream is given up: the same input will fail again."""

HLS_WAITERS = 1000
"""Requests that may wait for the first playlist of one stream."""

HLS_CENSUS = 10_000
"""Viewers told apart when they are counted; more than connections allow would be made-up user agents."""

HLS_STREAMS = 1000
"""Streams packaged at once: as many as may be published."""
# -- topology -------------------------------------------------------------------------------------------------------

TOPOLOGY_BYTES = 1 << 20
"""A topology is written by hand; a megabyte is hundreds of times a long one and still reads at once."""

TOPOLOGY_DEPTH = 16
"""Levels of nesting; the format itself is five deep."""

TOPOLOGY_NODES = 20_000
"""Values in a topology, aliases counted in full: ten nested aliases must not become a billion values."""

TOPOLOGY_FAULTS = 200
"""Faults told at once: more than a person mends in one go."""

# -- logging --------------------------------------------------------------------------------------------------------

COMPLAINT_ADDRESSES = 1024
"""Addresses with complaints of their own; further ones share a line per kind, as a flood has many addresses."""

COMPLAINT_INTERVAL_NS = 10 * NS_PER_S
"""One line per kind and address within this time: readable under attack, and soon enough to watch a repair."""

LOG_CHARACTERS = 2_000
"""Longest message in a log line: what quotes a peer has no length of its own."""

LOG_BURST = 20
"""Lines about one kind of event within `LOG_WINDOW`: every viewer of a small server, not each of a thousand."""

LOG_WINDOW = 5 * NS_PER_S
"""After this the lines that were left out are told as a number: soon enough to follow a crowd that arrives."""

SIGNAL_ECHO = 500 * NS_PER_MS
"""A second SIGINT this soon after the first is its echo, passed on by a parent; a person takes longer to press again."""

# -- embedding ------------------------------------------------------------------------------------------------------

PULLED_BATCH = 32
"""Items fetched for a blocking iterator at once: the hop between threads is shared, and little is held behind it."""

# -- rtmp -----------------------------------------------------------------------------------------------------------

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

# -- rtp ------------------------------------------------------------------------------------------------------------

RTP_PAYLOAD = 1180
"""Payload bytes of a packet we send: with 28 of RTP header and extensions, 16 of SRTP tag, 8 of UDP and 40 of IPv6 it
stays below 1280, the least that every IPv6 path carries."""

OPUS_PACKET = 1275 * 6
"""One Opus packet: six frames at the highest rate, 120 ms; more than a datagram of a real path, yet not of a loopback."""

AAC_UNITS = 64
"""AAC units in one packet: 1.4 s at 48 kHz; senders bundle up to ten."""

RTP_EXTENSIONS = 32
"""Header extension elements of one packet: browsers send up to seven."""

RTCP_PACKETS = 64
"""Packets inside one compound RTCP datagram: real ones hold two to eight."""

NACK_ENTRIES = 512
"""Entries of one NACK, each for up to 17 packets: browsers put at most 253 into one."""

TRANSPORT_STATUSES = 8192
"""Packets that one transport-wide feedback may tell of; two bytes can stand for 8191 of them, browsers tell hundreds."""

RTP_SOURCES = 64
"""SSRCs bound on one transport: three simulcast layers and sound with their retransmissions are eight."""

RTP_MISORDER = 100
"""A sequence number that is behind by more than this is a sender that started over (RFC 3550 A.1)."""

RTP_DROPOUT = 3000
"""A sequence number that is ahead by more than this is one, too (RFC 3550 A.1): a second of 30 Mb/s."""

REORDER_TIME = 150 * NS_PER_MS
"""How long a packet waits for those before it: a retransmission over a 100 ms path still comes in time."""

REORDER_PACKETS = 1024
"""Packets that wait so: 150 ms of 60 Mb/s."""

NACK_PACKETS = 512
"""Missing packets asked for at once; with more, a keyframe is cheaper than to repair."""

NACK_TOLERANCE = 10 * NS_PER_MS
"""How long a packet may merely be out of order before it is asked for: Wi-Fi reorders by a few milliseconds."""

NACK_TRIES = 8
"""Requests for the same packet; after them it has come too late anyway."""

HISTORY_TIME = 1 * NS_PER_S
"""How long sent packets can be asked for again: several round trips of a bad path; players give up sooner."""

HISTORY_PACKETS = 4096
"""Packets kept for it: a second of 38 Mb/s. The buffers are the stream's own, so they are not copies."""

VIEWER_SHIFTS = 64
"""Gaps remembered to find what a viewer's NACK means: more than skips within the time that packets are kept."""

PACER_BURST = 32 * 1024
"""Bytes sent at once: an ordinary picture of 8 Mb/s, and what the buffers of a home router take."""

PACER_DELAY = 60 * NS_PER_MS
"""The longest that a keyframe is spread over: two frames at 30 fps, which a player's jitter buffer takes in."""

SYNC_TRACKS = 16
"""Tracks aligned with each other: as many as a stream may have."""

# -- transport ------------------------------------------------------------------------------------------------------

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

# -- webrtc ---------------------------------------------------------------------------------------------------------

WEBRTC_SESSIONS = 10_000
"""Sessions of one port, as many as connections elsewhere: at 91 kB each (DTLS 74, SRTP 17) this is 0.9 GB."""

WEBRTC_HALF_OPEN = 1000
"""Sessions that were answered and have not finished their handshake: a flash crowd; reaped after `DTLS_TIMEOUT`."""

DTLS_TIMEOUT = 10 * NS_PER_S
"""From the answer to the end of the DTLS handshake: ICE and three round trips; satellites need 4 s with one loss."""

DTLS_MTU = 1200
"""Bytes of a DTLS datagram: below what any path to a browser carries, tunnels included (RFC 8831 section 5)."""

ICE_CONSENT = 30 * NS_PER_S
"""Without an authenticated check for this long the peer is gone (RFC 7675 section 5.1); browsers send one in 2.5 s."""

SESSION_ADDRESSES = 8
"""Validated addresses of one session: a phone with IPv4 and IPv6 on two networks checks from four."""

ADDRESS_HOLD = 5 * NS_PER_S
"""An address that checked in this recently is not taken over by another session: two checks of a browser."""

SESSION_SSRCS = 64
"""Authenticated senders of one session: three simulcast layers with RTX, audio and reports are eight; each costs a
replay window."""

RTP_BYTES = 1456
"""The largest RTP packet that is sent: with tag, UDP and IPv4 it just fills an Ethernet frame."""

SRTP_RECEIVE_WINDOW = 1024
"""Packets that may come late (RFC 3711 section 3.3.2): 2 s of a 5 Mb/s layer, longer than any jitter buffer waits."""

SRTP_SEND_WINDOW = 16_384
"""Packets that may be sent again: 2 s of an 80 Mb/s stream, at 2 kB for each stream of a viewer."""

GSO_SEGMENTS = 64
"""Datagrams in one segmented send (UDP_MAX_SEGMENTS of older kernels)."""

GSO_BYTES = 65_000
"""Bytes in one: the kernel's bound is an IP packet's 65,535 with its headers."""

UDP_READS = 64
"""Reads per wake-up of a socket, so that a flood leaves the loop time for its other work."""

UDP_KERNEL_BUFFER = 4 * 1024 * 1024
"""Bytes that the kernel may hold each way: 20 ms of 1.6 Gb/s; it gives less where net.core.rmem_max says so."""

UDP_SWEEP = 1 * NS_PER_S
"""How often sessions are looked at for what did not happen in time."""

# -- engine ---------------------------------------------------------------------------------------------------------

GOODBYE_TURNS = 200
"""Turns of the event loop that an engine waits at most for its streams to tell everyone that they end."""

REFUSED_AT_ONCE = 64
"""Connections over the limit that are told so at a time; further ones are closed without a word. Each is short."""
# -- webrtc signalling ----------------------------------------------------------------------------------------------

SDP_CHARACTERS = 64 * 1024
"""One session description or fragment: Chromium's offer with every codec and a data channel has 7 kB."""

SDP_LINES = 2000
"""Lines of one: that same offer has 217; a conference of sixteen senders would have 1500."""

SDP_SECTIONS = 32
"""m-lines of one offer: publishers and players need two or three."""

SDP_FORMATS = 128
"""Payload types of one m-line: the number has seven bits."""

ICE_CANDIDATES = 64
"""Candidates kept of one description or fragment: a laptop with VPNs gathers about twenty."""

SIMULCAST_LAYERS = 8
"""Encodings of one track: browsers make three."""

STUN_BYTES = 1500
"""One STUN message: it must fit a datagram, RFC 8489 §6.1; a browser's check has about 120 bytes."""

STUN_ATTRIBUTES = 32
"""Attributes of one: a browser's check has eight."""

ICE_PATHS = 8
"""Validated paths remembered in one ICE session: a phone with two networks and two address families checks four."""

# -- rtsp -----------------------------------------------------------------------------------------------------------

RTSP_HEAD = 16 * 1024
"""The start line and the header fields of one message: real ones have under 1 kB, Digest answers and long tokens 2 kB."""

RTSP_FIELDS = 64
"""Header fields of one message: clients send up to ten."""

RTSP_BODY = 64 * 1024
"""A body is a session description, which is bounded alike (`SDP_CHARACTERS`)."""

RTSP_BODY_PATIENCE = 2 * NS_PER_S
"""A body that is shorter than its Content-Length says is taken as it is after this: some cameras count wrongly."""

RTSP_GARBAGE = 64 * 1024
"""Bytes between two messages that are passed over: what a camera sends behind a Content-Length that is too small."""

RTSP_SESSION_TIMEOUT = 60 * NS_PER_S
"""Without a sign of life of a UDP player (a request, a report) for this long its session ends (RFC 2326 §12.37)."""

RTSP_UNAUTHORISED = 8
"""Requests without good credentials before the connection is closed: clients try once or twice; a guesser pays a
connection for every few words."""

RTSP_REDIRECTS = 5
"""Redirections followed one after the other, as browsers and FFmpeg bound them."""

RTSP_ANSWER_TIMEOUT = 10 * NS_PER_S
"""How long a server that is pulled from or pushed to may take to connect or to answer: cameras wake up within 5 s."""

RTSP_UDP_PATIENCE = 3 * NS_PER_S
"""Without a packet for this long after PLAY the path takes no UDP, and TCP is tried: cameras send at once."""

RTSP_STALL = 10 * NS_PER_S
"""A source without a packet for this long is given up and asked anew; five times a slow camera's keyframe distance."""

RTSP_REPORT_INTERVAL = 5 * NS_PER_S
"""Between two RTCP reports, each way (RFC 3550 §6.2 has this as its least)."""

RTSP_SSRC_SILENCE = 2 * NS_PER_S
"""Packets with another SSRC are ignored until the one before has been silent for this long: an encoder that started
over sends none of the old one."""

RTSP_DESCRIBE_PATIENCE = 5 * NS_PER_S
"""How long a DESCRIBE waits for the tracks of a publisher that has just begun; its client waits for ten and more."""

RTSP_FAREWELL = 1 * NS_PER_S
"""How long the connection of a UDP player outlives the BYE, which comes by another way and may be lost: a player that
hears of the connection's end first takes it for a failure."""

RTSP_REORDER = 32
"""Pictures that may be out of order between decoding and showing: H.264 and H.265 allow sixteen, fields count twice."""

UDP_PLAY_BURST = 64 * 1024
"""Bytes sent to a UDP viewer at once: what the default socket buffer of a Linux player takes (212 kB with overhead)."""

UDP_PLAY_RATE = 5 * 1024 * 1024
"""Bytes a second at which a joiner is sent the cached GOP after that: 200 ms for a megabyte. What waits for it is one
write of a viewer that catches up (`MAX_WRITE`) at most."""

UDP_TRAIN = 32
"""Packets in one train to a UDP viewer: 38 kB, below the burst."""
