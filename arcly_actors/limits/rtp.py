"""Bounds of RTP, both ways. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

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

PACER_BURST = 48 * 1024
"""Bytes sent at once: an ordinary picture of 12 Mb/s, less than a joiner is sent, and what the buffers of a home router
take. With 32 kB it was every large picture of a 2.6 Mb/s stream that waited 5 ms for its second part."""

PACER_DELAY = 60 * NS_PER_MS
"""The longest that a keyframe is spread over: two frames at 30 fps, which a player's jitter buffer takes in."""

SOUND_HOLD = 30 * NS_PER_MS
"""The longest that sound waits for a picture to travel with: about a picture's time, so in a crowd hardly any sound has
a send of its own; less than what a player's jitter buffer takes in."""

SOUND_HOLD_EACH = NS_PER_MS // 5
"""How much of it each viewer of a crowd makes: 20 ms, a packet of Opus, at a hundred."""

SOUND_HOLD_LEAST = 2 * NS_PER_MS
"""Below this (10 viewers) sound leaves at once."""

RTP_PADDING = 64
"""Bytes that the last packet of a picture is padded by at most, to be as long as the others: with as many packets as a
segmented send has, pieces of equal size differ by less."""

REPLAY_FIRST = 64 * 1024
"""Bytes of a cached GOP that a joiner is sent at once: a keyframe of 5 Mb/s, so that there is a picture."""

REPLAY_PORTION = 48 * 1024
"""Bytes of the rest per `PACER_STEP`: 77 Mb/s, so the 2 s of a 5 Mb/s stream take 130 ms."""

REPLAY_TURN = 2 * 1024 * 1024
"""Bytes of all joiners together per `PACER_STEP`: about 3 ms of work, so that a crowd does not hold others up."""

REPLAY_INTERVAL = 1 * NS_PER_S
"""Between two times that one viewer that lost something is given the GOP again: browsers repeat a request every few
hundred ms. For who lost nothing it doubles each time (`egress.rtp_replay`)."""

REPLAY_SPACING = 1 * NS_PER_MS
"""Between the frames of a GOP that a joiner is sent: its player decodes them without waiting and is at live."""

RESEND_RATE = 512 * 1024
"""Bytes a second of retransmissions for one viewer: all of a 4 Mb/s stream; NACKs are small and must not amplify more."""

PACER_STEP = 5 * NS_PER_MS
"""Between two parts of a frame that is spread: several packets still leave together (segmentation offload)."""

SYNC_TRACKS = 16
"""Tracks aligned with each other: as many as a stream may have."""
