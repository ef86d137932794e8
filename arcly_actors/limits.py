"""Every bound in one place, each with its reason."""

from typing import Final

# --- runtime ---------------------------------------------------------------------------------------------------------

MEDIA_LANE: Final = 512
"""Media messages waiting in one actor's mailbox: about 10 s of 50 fps, past which they are too late to be of use."""

TURN_MESSAGES: Final = 64
"""Messages one actor handles before the others have their turn: small enough for fairness, large enough to be cheap."""

DRAIN_MESSAGES: Final = 1024
"""Messages handled before the event loop polls its sockets again: about 1-5 ms of work."""

VIRTUAL_ITERATIONS: Final = 5_000_000
"""Turns of a virtual loop after which a scenario counts as running away: minutes of CPU, thousands of times a session."""
