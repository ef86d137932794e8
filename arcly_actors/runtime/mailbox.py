"""`Mailbox`: first in, first out; control messages are never dropped, waiting media is bounded and its drops counted.

One queue, not two: a stop, as Pykka documents it, comes after what was sent before it, and a frame must not overtake the
track change it belongs to. What makes the media lane a lane is its own bound: a full one refuses the newest media
message and nothing else, so a stop waits for at most that many frames.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pykka import ActorDeadError, ActorRegistry
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

if TYPE_CHECKING:
    from arcly_actors.runtime.receiver import Receiver
    from arcly_actors.runtime.run_queue import RunQueue


class Inbox(Protocol):
    """What an actor needs of its inbox, on the loop or in a thread."""

    closed: bool
    dropped: int

    def put(self, letter: Any) -> None:
        """Deliver from any thread. Raises ActorDeadError when the actor has stopped."""
        ...

    def urgent(self, letter: Any) -> None:
        """Put a letter before all others."""
        ...

    def close(self) -> None:
        """Refuse what waits and whatever comes."""
        ...


class Mailbox:
    """The inbox of an actor on the loop. A told message lies in it bare, an asked one in Pykka's `Envelope`.

    `waiting` media messages are in it, and `foreign` ones on their way from other threads.
    """

    __slots__ = ("_lock", "actor", "append", "bound", "closed", "dropped", "foreign", "letters", "media", "queue",
                 "queued", "run", "waiting")  # fmt: skip

    def __init__(self) -> None:
        self.letters: deque[Any] = deque()
        self.append = self.letters.append
        self.closed = False
        self.queued = False
        self.media: frozenset[type] = frozenset()
        self.bound = 0
        self.waiting = 0
        self.dropped = 0
        self.actor: Receiver | None = None
        self.run: Callable[[int], int] = _rest  # see `RunQueue`
        self.queue: RunQueue
        self._lock = threading.Lock()
        self.foreign = 0

    def bind(self, actor: "Receiver", queue: "RunQueue", media: frozenset[type], bound: int) -> None:
        """Make it the mailbox of `actor`, drained by `queue`, with at most `bound` messages of the `media` types."""
        self.actor, self.queue, self.media, self.bound = actor, queue, media, bound
        self.run = partial(actor.turn, self)

    def put(self, letter: Any) -> None:
        """Deliver from any thread. Raises ActorDeadError when the actor has stopped."""
        if self.closed:
            raise ActorDeadError(f"{self.actor} not found")
        if threading.get_ident() != self.queue.home:
            try:
                self._put_foreign(letter)
            except ActorDeadError:
                self._bury()
                raise
        elif type(letter) not in self.media or self._admit():
            self.accept(letter)

    def accept(self, letter: Any) -> None:
        """Queue a letter on the loop thread."""
        if self.closed:
            refuse(letter)
            return
        self.append(letter)
        if not self.queued:
            self.queued = True
            self.queue.ready.append(self)
            if not self.queue.scheduled:
                self.schedule()

    def schedule(self) -> None:
        """Have the run queue drained, for the letter just added. Raises ActorDeadError when the loop is closed."""
        try:
            self.queue.schedule()
        except ActorDeadError:
            self.letters.pop()
            self._bury()
            raise

    def urgent(self, letter: Any) -> None:
        """Put a letter before all others, on the loop thread."""
        if not self.closed:
            self.letters.appendleft(letter)
            if not self.queued:
                self.queued = True
                self.queue.add(self)

    def get(self) -> Envelope[Any]:
        """Take the next letter (Pykka's inbox protocol); IndexError when empty."""
        letter = self.letters.popleft()
        return letter if type(letter) is Envelope else Envelope(letter)

    def empty(self) -> bool:
        """Whether no letter waits."""
        return not self.letters

    def close(self) -> None:
        """Refuse what waits and whatever comes, and let go of the actor; on its own thread."""
        self.closed = True
        while self.letters:
            refuse(self.letters.popleft())
        self.actor, self.run = None, _rest

    def _bury(self) -> None:
        """The loop is closed, so this actor will never run again: it is dead, and leaves the registry."""
        if self.actor is not None:
            ActorRegistry.unregister(self.actor.actor_ref)
            self.actor.actor_stopped.set()
        self.close()

    def _admit(self) -> bool:
        if self.waiting + self.foreign >= self.bound:
            self.dropped += 1
            return False
        self.waiting += 1
        return True

    def _put_foreign(self, letter: Any) -> None:
        if type(letter) not in self.media:
            self.queue.post(self.accept, letter)
            return
        with self._lock:
            if self.waiting + self.foreign >= self.bound:
                self.dropped += 1
                return
            self.foreign += 1
        self.queue.post(self._accept_foreign_media, letter)

    def _accept_foreign_media(self, letter: Any) -> None:
        with self._lock:
            self.foreign -= 1
        self.waiting += 1
        self.accept(letter)


def _rest(_budget: int) -> int:
    """Nobody is there to handle anything."""
    return 0


def refuse(letter: Any) -> None:
    """Answer a letter that nobody will handle: whoever asked learns that the actor is dead, a stop is as good as done."""
    if type(letter) is not Envelope or letter.reply_to is None:
        return
    if isinstance(letter.message, _ActorStop):
        letter.reply_to.set(None)
        return
    error = ActorDeadError("the actor stopped before handling the message")
    letter.reply_to.set_exception((ActorDeadError, error, None))
