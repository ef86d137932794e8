"""Bounds of actors. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

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
