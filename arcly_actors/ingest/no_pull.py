"""What stands for a pull that there cannot be: it says so, and its source tries again as with any other."""

from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullRequest
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.runtime.notify import notify


class NoPull(LoopActor):
    """A pull (see `ingest.pull`) of what FFmpeg would read from the network, on a network that is scripted."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self._scheme = request.url.scheme
        self._owner = owner

    def on_start(self) -> None:
        """Say so."""
        detail = f"FFmpeg reads {self._scheme}, and has no way into a scripted network"
        notify(self._owner, PullFailed(detail))
        self.stop_self(detail)

    @receives(KeyframeNeeded)
    def noted(self, _: KeyframeNeeded) -> None:
        """There is nothing to ask."""
