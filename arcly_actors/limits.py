"""Every bound in one place, each with its reason. Sizes are bytes, times nanoseconds.

The ones an operator may want to move are also in the topology (`limits:` and the applications); these are their defaults.
"""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

# -- bus ------------------------------------------------------------------------------------------------------------

MAX_PUBLISHERS = 1000
"""Streams at once: a fleet of encoders gone wild must not take the machine."""

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
