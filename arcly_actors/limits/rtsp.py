"""Bounds of RTSP, and of RTP outside WebRTC. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

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
"""How long a server that is pulled from or pushed to may take to answer: cameras wake up within 5 s."""

RTSP_UDP_PATIENCE = 3 * NS_PER_S
"""Without a packet for this long after PLAY the path takes no UDP, and TCP is tried: cameras send at once."""

RTSP_REPORT_INTERVAL = 5 * NS_PER_S
"""Between two RTCP reports, each way (RFC 3550 §6.2 has this as its least)."""

RTSP_HEAR_INTERVAL = 1 * NS_PER_S
"""Between two reports of a player's that are looked at: FFmpeg sends 60 a second of a 2.6 Mb/s stream."""

RTSP_SSRC_SILENCE = 2 * NS_PER_S
"""Packets with another SSRC are ignored until the one before has been silent for this long: an encoder that started
over sends none of the old one."""

RTSP_FAREWELL = 8 * NS_PER_S
"""How long a player's connection outlives the BYE: one that is closed before the player has acted on it is a failure to
GStreamer, which was seen to take up to 6 s."""

RTSP_BYE_INTERVAL = 1 * NS_PER_S
"""How often the BYE is said meanwhile: over UDP it may be lost, and GStreamer acts on the second within 2 s."""

RTSP_REORDER = 32
"""Pictures that may be out of order between decoding and showing: H.264 and H.265 allow sixteen, fields count twice."""

UDP_PLAY_BURST = 64 * 1024
"""Bytes sent to a UDP viewer at once: what the default socket buffer of a Linux player takes (212 kB with overhead)."""

UDP_PLAY_RATE = 5 * 1024 * 1024
"""Bytes a second at which a joiner is sent the cached GOP after that: 200 ms for a megabyte. What waits for it is one
write of a viewer that catches up (`MAX_WRITE`) at most, beyond `UDP_PLAY_QUEUE`."""

UDP_PLAY_QUEUE = 512 * 1024
"""Bytes that may wait for it while the viewer counts as up to date: a keyframe of a fast stream, and what comes
meanwhile, 100 ms in all. The bytes are those that all viewers share."""

UDP_TRAIN = 32
"""Packets in one train to a UDP viewer: 38 kB, below the burst."""
