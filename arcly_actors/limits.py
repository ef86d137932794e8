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

QOS_WINDOW = 1 * NS_PER_S
"""The window of the bit and frame rates, and how often holds and idle publishers are looked at."""

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
"""How long a child may take to stop in order before its supervisor ends it: a disk flush, not a network round of waits."""
