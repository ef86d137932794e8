"""A view: one viewer's subscriber actor, restarted on the same outlet when it crashes.

The transport outlives the actor, so a viewer does not notice: the new subscriber goes on at the place of the old one.
"""

import pykka

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import ActorRestarted, Failed
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Place
from arcly_actors.egress.byte_subscriber import ByteSubscriber, Viewing
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import System
from arcly_actors.runtime.policy import Intensity, RestartWindow


class View:
    """For the session actor `owner`, which watches each subscriber that `start`, `restart` and `change` return."""

    def __init__(
        self, system: System, bus: Bus, owner: Ref, viewing: Viewing, renditions: Renditions | None = None
    ) -> None:
        self._system = system
        self._bus = bus
        self._owner = owner
        self.viewing = viewing
        self._renditions = renditions
        self._window = RestartWindow(Intensity())
        self._restarts = 0
        self._place: Place | None = None
        self._subscriber: pykka.ActorRef[ByteSubscriber] | None = None

    def start(self) -> Ref:
        """Start a subscriber, at the place of the one before if there was one."""
        self._subscriber = ByteSubscriber.start(
            self._system,
            self._bus,
            self.viewing,
            self._owner,
            resume=self._place,
            keep=self._take_place,
            renditions=self._renditions,
        )
        return self._subscriber

    def restart(self, error: BaseException) -> Ref | None:
        """The subscriber failed with `error`: start another; None when that happens too often."""
        name = f"{self.viewing.protocol} subscriber of {self.viewing.key} at {self.viewing.peer}"
        self._bus.events.emit(Failed(name, repr(error)))
        if not self._window.admit(self._system.clock.monotonic_ns()):
            return None
        self._restarts += 1
        self._bus.events.emit(ActorRestarted(name, self._restarts))
        return self.start()

    def change(self, viewing: Viewing) -> Ref:
        """Go on, at the same place, with what the viewer wants now."""
        self.stop()
        self.viewing = viewing
        return self.start()

    def stop(self) -> None:
        """Stop the subscriber; its place is kept."""
        if self._subscriber is not None:
            self._subscriber.stop(block=False)

    def report_loss(self, share: float) -> None:
        """The viewer says that this share of the packets (0 to 1) did not reach it."""
        if self._place is not None:
            self._place.loss = share

    def is_of(self, subscriber: Ref) -> bool:
        """Whether this is the view's present subscriber."""
        return self._subscriber is not None and self._subscriber.actor_urn == subscriber.actor_urn

    def _take_place(self, place: Place) -> None:
        self._place = place
