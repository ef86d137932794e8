"""What FFmpeg would read, on a network without sockets: a script plays it, or it is said that nobody can.

And the beginning of a try for both, where an engine's seams see it.
"""

from dataclasses import dataclass

from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullEnded, PullFailed, PullRequest
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class MayRead:
    """What `may_read` has found."""

    failed: PullFailed | None


async def may_read(system: System, request: PullRequest) -> PullFailed | None:
    """A new try, which has to be before anything is read; why there can be none."""
    seams, url = system.seams, request.url
    await seams.may_dial()
    seams.dialling(request.remote, (url.host, url.port or 0))
    if not seams.refused(request.remote):
        return None
    failed = PullFailed(f"{url.scheme}: connection refused")
    seams.undialled(request.remote, failed.detail)
    return failed


class PlayedPull(LoopActor):
    """A pull (see `ingest.pull`) of what a script has, or of nothing."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner

    def on_start(self) -> None:
        """Begin."""
        self.spawn(may_read(self.system, self._request), then=MayRead)

    @receives(MayRead)
    def begun(self, begun: MayRead) -> None:
        """Hear what there is."""
        network = self.system.seams.network
        detail = f"FFmpeg reads {self._request.url.scheme}, and has no way into a scripted network"
        if begun.failed is not None:
            self._hear(begun.failed)
        elif network is None or not network.play(self._request.remote, self._hear):
            self._hear(PullFailed(detail))

    def _hear(self, message: object) -> None:
        if self.actor_ref.is_alive():
            notify(self._owner, message)
            if isinstance(message, PullFailed | PullEnded):
                self.stop_self("over")

    @receives(KeyframeNeeded)
    def noted(self, _: KeyframeNeeded) -> None:
        """There is nothing to ask."""
