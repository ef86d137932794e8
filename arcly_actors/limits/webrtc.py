"""Bounds of WebRTC sessions and their signalling. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

WEBRTC_SESSIONS = 10_000
"""Sessions of one port, as many as connections elsewhere: at 65 kB each (SRTP has 17 of it; OpenSSL's 74 are gone
after the handshake) this is 0.7 GB."""

WEBRTC_HALF_OPEN = 1000
"""Sessions that were answered and have not finished their handshake: a flash crowd; reaped after `DTLS_TIMEOUT`."""

DTLS_TIMEOUT = 10 * NS_PER_S
"""From the answer to the end of the DTLS handshake: ICE and three round trips; satellites need 4 s with one loss."""

DTLS_MTU = 1200
"""Bytes of a DTLS datagram: below what any path to a browser carries, tunnels included (RFC 8831 section 5)."""

DTLS_FIRST_PAUSE = 1 * NS_PER_S
"""Until a flight of ours is repeated for the first time (RFC 6347 section 4.2.4.1); doubles."""

DTLS_LONGEST_PAUSE = 8 * NS_PER_S
"""The longest of these: `DTLS_TIMEOUT` ends it soon after."""

DTLS_MESSAGE = 16 * 1024
"""One handshake message: a certificate of RSA 4096 has 1.5 kB."""

DTLS_AHEAD = 5
"""Handshake messages of a peer put together at a time: a server's flight has five. `DTLS_MESSAGE` bytes each."""

ICE_CONSENT = 30 * NS_PER_S
"""Without an authenticated check for this long the peer is gone (RFC 7675 section 5.1); browsers send one in 2.5 s."""

ICE_CONSENT_INTERVAL = 5 * NS_PER_S
"""Between two checks of ours with a server that we dialled, give or take a fifth (RFC 7675 section 5.1)."""

RELAY_TIMEOUT = 3 * NS_PER_S
"""For an address at a TURN server, before the checks begin: three round trips; `DTLS_TIMEOUT` runs meanwhile."""

DIAL_EARLY = 16
"""Datagrams kept of a server that we dialled until the way to it is nominated: the first flight of its handshake."""

DIAL_ADDRESSES = 4
"""Addresses of a server's name that are asked for a route: IPv4 and IPv6, on two networks."""

WHIP_REDIRECTS = 5
"""Redirects followed to a WHIP server's session: a load balancer or two, and no circle."""

WHIP_SIGNALLING = 20 * NS_PER_S
"""From our offer to its answer, with all redirects: two exchanges that are as slow as `HTTP_CALL` lets them be."""

ICE_SERVERS = 8
"""ICE servers read of a WHIP server's answer: it has one or two, each over UDP, TCP and TLS."""

SERVER_WORDS = 200
"""Characters of what a server says about a refusal that are told on: a sentence or two."""

PEER_SILENCE = 10 * NS_PER_S
"""Without any authentic datagram for this long a connected peer is gone: checks, media and reports come within 5 s each.
A sender that was killed gives its publish slot back, and the next one need not wait for consent to end."""

SESSION_ADDRESSES = 8
"""Validated addresses of one session: a phone with IPv4 and IPv6 on two networks checks from four."""

ADDRESS_HOLD = 5 * NS_PER_S
"""An address that checked in this recently is not taken over by another session: two checks of a browser."""

SESSION_SSRCS = 64
"""Authenticated senders of one session: three simulcast layers with RTX, audio and reports are eight; each costs a
replay window."""

SSRC_IDLE_PACKETS = 4096
"""A sender of one session that was not heard while so many packets of others came may be forgotten for a new one: in
ordinary calls that is never, and whoever sends 64 at once keeps those."""

RTP_BYTES = 1456
"""The largest RTP packet that is sent: with tag, UDP and IPv4 it just fills an Ethernet frame."""

SRTP_RECEIVE_WINDOW = 1024
"""Packets that may come late (RFC 3711 section 3.3.2): 2 s of a 5 Mb/s layer, longer than any jitter buffer waits."""

SRTP_SEND_WINDOW = 256
"""Packets that may be sent again without RTX, which every browser has: half a second of a 4 Mb/s stream. libsrtp moves
the whole window at each packet: 1024 take a tenth more of all that it does; with 16,384 it was a quarter of the server's
time."""

GSO_SEGMENTS = 64
"""Datagrams in one segmented send (UDP_MAX_SEGMENTS of older kernels)."""

GSO_BYTES = 65_000
"""Bytes in one: the kernel's bound is an IP packet's 65,535 with its headers."""

SEND_BATCH = 16
"""Messages in one sendmmsg: past that a system call costs nothing more, and the packets of 16 pictures fit a cache."""

UDP_READS = 64
"""Reads per wake-up of a socket, so that a flood leaves the loop time for its other work."""

RTP_READS = 4
"""The same for a port of one peer's: there are two for each camera, and when all have more than can be read in time,
everything else still has its turn several times a second."""

UDP_SOURCES = 4096
"""Peers whose names are remembered as Python's sockets have them: those of a large audience. Another one costs 2 µs."""

UDP_KERNEL_BUFFER = 4 * 1024 * 1024
"""Bytes that the kernel may hold each way: 20 ms of 1.6 Gb/s; it gives less where net.core.rmem_max says so."""

RTP_KERNEL_BUFFER = 1024 * 1024
"""The same for a port of one peer's: several keyframes of a camera. More would only make late what is lost anyway when a
machine has more cameras than it can take."""

UDP_SWEEP = 1 * NS_PER_S
"""How often sessions are looked at for what did not happen in time."""

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
