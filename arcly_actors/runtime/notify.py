"""`notify`: a message to an actor that may be gone by now."""

from typing import Any

import pykka


def notify(ref: pykka.ActorRef[Any], message: object) -> bool:
    """Tell `ref` a message; False when it is dead, which for a notice is no error: its watchers know."""
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        return False
    return True
