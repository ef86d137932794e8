"""A WebRTC session whose faults are asked for, at its decrypted seam: what comes of RTP and RTCP is lost or late.

ICE and DTLS are left alone, so that what is tried out is what media meets, in virtual time, too.
"""

from dataclasses import replace
from typing import Any, cast

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime.notify import notify
from arcly_actors.script.faulty_ways import Chance, Way
from arcly_actors.transport.dtls_srtp import RtcpArrived, RtpArrived
from arcly_actors.transport.srtp_session import SessionState, SrtpSession


class FaultySession:
    """See the module. One of `script.faulty_ways.Met`."""

    def __init__(self, chance: Chance, session: SrtpSession, names: tuple[str, ...]) -> None:
        self._chance = chance
        self._session = session
        self._way = Way(chance, again=False)
        self.names = names
        self.peer = names[1]
        self.learns = False
        session.overhear(lambda owner: cast("pykka.ActorRef[Any]", _Late(owner, self)))

    @property
    def stands(self) -> bool:
        """See `Met.stands`."""
        return self._session.state is SessionState.CONNECTED

    @property
    def over(self) -> bool:
        """See `Met.over`."""
        return self._session.state is SessionState.CLOSED

    def sever(self) -> None:
        """See `Met.sever`."""
        self._session.end("the peer is silent")

    def come(self, owner: pykka.ActorRef[Any], message: RtpArrived | RtcpArrived) -> None:
        """A packet for the session's owner: it is told now, later or never."""
        now = self._chance.now()
        self._way.names = self.names
        due = self._way.arrives(now, ordered=False)
        if due is not None and due <= now:
            owner.tell(message)
        elif due is not None:
            self._chance.loop.call_later((due - now) / NS_PER_S, self._tell, owner, message)

    def _tell(self, owner: pykka.ActorRef[Any], message: RtpArrived | RtcpArrived) -> None:
        if self.stands:
            notify(owner, replace(message, at=self._chance.now()))


class _Late:
    """Stands for an owner towards its session."""

    def __init__(self, owner: pykka.ActorRef[Any], session: FaultySession) -> None:
        self._owner = owner
        self._session = session

    def tell(self, message: object) -> None:
        if isinstance(message, RtpArrived | RtcpArrived):
            self._session.come(self._owner, message)
        else:
            self._owner.tell(message)
