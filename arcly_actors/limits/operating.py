"""Bounds of topology files, logs and the engine as a whole. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

TOPOLOGY_BYTES = 1 << 20
"""A topology is written by hand; a megabyte is hundreds of times a long one and still reads at once."""

TOPOLOGY_DEPTH = 16
"""Levels of nesting; the format itself is five deep."""

TOPOLOGY_NODES = 20_000
"""Values in a topology, aliases counted in full: ten nested aliases must not become a billion values."""

TOPOLOGY_FAULTS = 200
"""Faults told at once: more than a person mends in one go."""

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

PULLED_BATCH = 32
"""Items fetched for a blocking iterator at once: the hop between threads is shared, and little is held behind it."""

FAREWELL = 2 * NS_PER_S
"""What servers elsewhere get, when an engine stops, to hear that their sessions are over."""

GOODBYE_TURNS = 200
"""Turns of the event loop that an engine waits at most for its streams to tell everyone that they end."""

REFUSED_AT_ONCE = 64
"""Connections over the limit that are told so at a time; further ones are closed without a word. Each is short."""
RTP_LANE = 2048
"""Packets waiting for the publisher that reads them: half a second of 40 Mb/s; what is beyond is lost, and counted."""

RTP_TICK = 50 * NS_PER_MS
"""How often a publisher looks for what time alone brings; transport-wide feedback goes out as often as browsers want."""

LOSS_PATIENCE = 200 * NS_PER_MS
"""How long pictures may be withheld for lost references before a keyframe is asked for: a retransmission is cheaper."""

LAYER_SILENCE = 2 * NS_PER_S
"""A simulcast layer without a frame for this long has been left out by its sender; a still picture has 5 fps."""

TRACKS_GATHERING = 500 * NS_PER_MS
"""How long the first frames of a sender wait for its other tracks: a browser starts both within a tenth of this."""

RTCP_INTERVAL = 1 * NS_PER_S
"""Between two reports to one peer: often enough to keep sound and picture together, 0.1 % of a stream."""

REPORTING_CROWD = 32
"""Viewers of a stream from which on their reports are made in turns, those of a turn one after the other: alone each
finds the caches cold, and takes five times as long."""

REPORTING_TURN = 250 * NS_PER_MS
"""Between two such turns: 16 in the time between two reports, so of a thousand viewers a turn has 60, which take 3 ms."""

TRACKS_PATIENCE = 3 * NS_PER_S
"""How long a viewer's offer waits for a publisher that has been accepted to say what it sends."""
