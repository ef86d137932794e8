"""A WebRTC peer's way to its session: decrypted packets that take a while, get lost, come twice."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from arcly_actors.protocols.rtp.packet import is_rtcp
from arcly_actors.script.webrtc import Played
from arcly_actors.simulation.datagram_path import DatagramPath
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class MediaPath(DatagramPath):
    """Ends at a `Played` instead of at a port.

    Between `pause` and `resume` nothing is read and nothing is said; the peer's consent ends with that.
    """

    def __init__(self, world: "World", address: Address, received: Callable[[bytes], None]) -> None:
        super().__init__(world, "", address, received)
        self._session: Played | None = None
        self._deaf = False

    @property
    def clean(self) -> bool:
        """Whether everything arrives."""
        return not (self.loss or self._deaf)

    def pause(self) -> None:
        """See the class."""
        self._hear(deaf=True)

    def resume(self) -> None:
        """See the class."""
        self._hear(deaf=False)

    def _hear(self, *, deaf: bool) -> None:
        self._deaf = deaf
        if self._session is not None:
            self._session.consents = self.open and not deaf

    def attach(self, session: Played) -> None:
        """Lead there from now on."""
        self._session = session
        self.open = True
        session.heard = self._come
        session.consents = not self._deaf

    def close(self) -> None:
        """Hear and send nothing more, without a word."""
        self.open = False
        if self._session is not None:
            self._session.consents = False

    def _carry(self, data: bytes, arrive: Callable[[bytes], None], *, up: bool) -> None:
        if not self._deaf:
            super()._carry(data, arrive, up=up)

    def _arrive(self, data: bytes) -> None:
        if self.open and self._session is not None:
            self._session.arrive(data, rtcp=is_rtcp(data))

    def _deliver(self, data: bytes) -> None:
        if not self._deaf:
            super()._deliver(data)
