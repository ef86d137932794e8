"""Bounds of SRT. Sizes are bytes, times nanoseconds; what libsrt does is libsrt 1.5's default."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

SRT_LATENCY = 120 * NS_PER_MS
"""How long packets wait for lost ones when neither side asks for more: libsrt's default, four round trips of 30 ms."""

SRT_MAX_LATENCY = 8 * NS_PER_S
"""What a peer may ask for: at 10 Mb/s its packets are 10 MB then. The field on the wire ends at 65 s."""

SRT_PAYLOAD = 1316
"""Payload bytes of a packet that we send: seven TS packets, as every SRT sender does."""

SRT_MTU = 1500
"""What a datagram may have with IP and UDP headers: Ethernet's."""

SRT_LARGEST_PAYLOAD = 1456
"""The most payload that fits into that: 1500 less 28 of IPv4 and UDP, less 16 of SRT."""

SRT_WINDOW = 8192
"""Packets on the way, or held for a connection: libsrt's buffer; 8 s at 10 Mb/s, 11 MB."""

SRT_BURST = 24
"""Packets that may be sent in one tick, 25 Mb/s: a joiner's cached pictures come at ten times the speed of a usual
stream, and the last kilometre, or a default kernel buffer that many share (212 kB), is not flooded."""

SRT_BURST_FACTOR = 4
"""A stream may be sent at so many times its own rate, if that is more: a keyframe is several times its share."""

SRT_RETRANSMIT_BURST = 64
"""Packets that may be sent again at once, however slow the stream: 84 kB."""

SRT_TICK = 10 * NS_PER_MS
"""The pace of acknowledgements (draft-sharabayko-srt 4.8.1), deliveries and bursts."""

SRT_SLOW_TICK = 20 * NS_PER_MS
"""The slowest pace of acknowledgements and deliveries."""

SRT_TICKS = 8
"""A receiver's pace is so much of the latency, within these bounds: 15 ms with the default latency. Most of what a stream
costs is being woken, not its packets; a packet is missed and delivered that much later, a sender waits for nothing."""

SRT_HURRY = 3 * NS_PER_MS
"""The pace while something is missing: a lost report or retransmission is then noticed in time for another."""

SRT_TRAIN = 48
"""Packets in one segmented send: 64 is the kernel's limit, and 64 kB that of the datagram it cuts: 48 of 1332 fit."""

SRT_LOSS_RANGES = 180
"""Ranges in one loss report: what fits into a datagram, two words each. The rest is for the next report."""

SRT_ACKS_KEPT = 256
"""Acknowledgements that wait for their answer, by which the round trip is measured: 2.5 s of them."""

SRT_DRIFT_SAMPLES = 1000
"""Samples per correction of the peer's clock: 10 s of acknowledgements, as in libsrt; 30 ms of jitter average to 1 ms."""

SRT_RETRANSMIT_SHARE = 1.0
"""Retransmissions may take this share of the input rate, besides one burst. libsrt's default has no bound (maxbw -1);
under 10 % loss and much reordering half as much is asked for as is sent, and a peer that asks for everything again and
again gets no more than twice the stream."""

SRT_PEER_SILENCE = 5 * NS_PER_S
"""Without any packet of the peer for this long the connection is over: libsrt's peeridletimeo."""

SRT_KEEPALIVE = 1 * NS_PER_S
"""Silence of our own after which we say that we are here (draft-sharabayko-srt 3.2.3)."""

SRT_HANDSHAKE_REPEAT = 250 * NS_PER_MS
"""A caller's handshake is repeated at this pace until it is answered."""

SRT_CONNECT_TIMEOUT = 3 * NS_PER_S
"""A caller gives up after this long: libsrt's conntimeo."""

SRT_RENDEZVOUS_TIMEOUT = 12 * NS_PER_S
"""How long one end of a rendezvous waits for the other: libsrt waits ten times a caller's time; below `SOURCE_OPEN`."""

SRT_WAITING = 1 * NS_PER_S
"""How often a source that listens says that it still waits, which is no stall; below `SOURCE_OPEN`."""

SRT_HALF_OPEN = 256
"""Conclusions that wait for our decision, or for the peer's first packet: a crowd of viewers comes through within a
round trip each, but those of a source on demand wait until it is live. Each costs some kB, and the peer its address."""

SRT_DECISION_TIMEOUT = 10 * NS_PER_S
"""How long a caller's request may wait for the bus. libsrt's callers give up after 3 s, others after 10."""

SRT_SESSIONS = 10_000
"""Connections on one port."""

SRT_COOKIE_PERIOD = 60 * NS_PER_S
"""A cookie is good in the minute that it was made in and in the next: a caller needs a round trip."""

SRT_TOMBS = 4096
"""Handshakes of connections that are over, remembered while their cookie is good, so that a replay opens nothing."""

SRT_STREAM_ID = 512
"""Bytes of a stream id (draft-sharabayko-srt 3.2.1.3)."""

SRT_EXTENSIONS = 16
"""Extension blocks of one handshake: there are eight kinds."""

SRT_PASSPHRASE = (10, 80)
"""Characters of a passphrase, at least and at most: libsrt takes no other."""

SRT_KEY_DERIVATIONS = 150
"""Passphrases checked in a second: each takes a millisecond, so a flood of handshakes takes a seventh of a core."""

SRT_KEY_REFRESH = 1 << 24
"""Packets under one key until the next: libsrt's kmrefreshrate; 19 hours at 2.6 Mb/s."""

SRT_KEY_ANNOUNCE = 1 << 12
"""Packets before that at which the next key is announced, and after it the old one forgotten: libsrt's kmpreannounce."""

SRT_KEY_MOST = 1 << 30
"""Packets under one key after which the next is used though the peer has not confirmed it: numbers come again after 2^31,
and with them the same key stream."""

SRT_SEND_DROP = 1 * NS_PER_S
"""The least age at which a sender drops what was not acknowledged (libsrt: 1 s, or the peer's latency if longer)."""

SRT_FEC_COLUMNS = 127
"""Columns of forward error correction: a packet of protection has its column in a signed byte."""

SRT_FEC_PACKETS = 512
"""Packets of a matrix of forward error correction: two of them are remembered, in sums of 1.5 kB, one for each row and
column; at 2.6 Mb/s 512 packets are two seconds, and the latency has to be longer than a matrix."""
