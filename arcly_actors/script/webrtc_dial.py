"""WebRTC that an engine dials without a network: the other end is a script, or a session of another engine."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import SessionNote, System
from arcly_actors.script.webrtc import NoIdentity, Played, ScriptedPeers, Unheard
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls import Identity
from arcly_actors.transport.dtls_srtp import RemoteParameters
from arcly_actors.transport.webrtc_dial import DialledSession, Gather, Reach, WebRtcDial


class ScriptedDial(WebRtcDial):
    """A dial without ICE: `peers` are told of its session. Unless a script says who answers (`alone`), it is whoever of
    them has the credentials that are dialled, `delay` ns away.
    """

    def __init__(
        self, system: System, note: SessionNote | None, at: Address, peers: ScriptedPeers, *, delay: int, alone: bool
    ) -> None:
        super().__init__(system, note)
        self._at = at
        self._peers = peers
        self._delay = delay
        self._alone = alone
        self._told = peers.told.get(note.who) if note is not None else None

    def on_start(self) -> None:
        """There is no agent."""

    def make_identity(self) -> Identity:
        """There is no certificate."""
        return cast("Identity", NoIdentity())

    @property
    def fingerprint(self) -> str:
        """The script's, if it has one."""
        return self._told.fingerprint if self._told is not None else super().fingerprint

    async def gather_towards(self, target: Gather) -> tuple[Address, ...]:
        """The script's, if it has some."""
        del target
        return self._told.candidates if self._told is not None else (self._at,)

    def make_session(self, message: Reach) -> DialledSession:
        """See `WebRtcDial.make_session`."""
        return ScriptedDialled(self, message.owner, message.remote, self.note or Unheard(), self._peers)

    def connect(self, message: Reach) -> None:
        """Meet whoever it is."""
        far = self._peers.sessions.get(message.remote.ice.ufrag)
        near = self._session
        if not self._alone and far is not None and isinstance(near, ScriptedDialled):
            place = message.candidates[0]
            _join(near, far, self._later)
            self._later(lambda: far.connect(self._at))
            self._later(lambda: near.connect(Address(place.host, place.port)))

    def close_agent(self) -> None:
        """There is none."""

    def _later(self, call: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(self._delay / NS_PER_S, call)


class ScriptedDialled(Played, DialledSession):
    """The engine's end of a session that it dialled."""

    def __init__(
        self,
        port: ScriptedDial,
        owner: pykka.ActorRef[Any],
        remote: RemoteParameters,
        note: SessionNote,
        peers: ScriptedPeers,
    ) -> None:
        self._peers = peers
        super().__init__(port, owner, remote, note)
        if note.who:
            peers.sessions[note.who] = self

    def _ended(self) -> None:
        super()._ended()
        self._peers.closed(self)


def _join(one: Played, other: Played, later: Callable[[Callable[[], object]], None]) -> None:
    """What one sends the other gets."""
    for sender, receiver in ((one, other), (other, one)):
        _carry(sender, receiver, later)


def _carry(sender: Played, receiver: Played, later: Callable[[Callable[[], object]], None]) -> None:
    def heard(packet: bytes) -> None:
        rtcp = len(packet) > 1 and 192 <= packet[1] < 224  # RFC 5761 section 4
        later(lambda: receiver.arrive(packet, rtcp=rtcp))

    sender.heard = heard
    sender.shut = lambda _reason: later(lambda: receiver.end("the peer closed"))
