"""`WebRtcSession`: the `DtlsSrtpTransport` of one peer behind a `WebRtcPort`, to which we are ICE-lite.

Media goes to the pair that the peer selected, until then to the first it validated; it moves when the peer selects
another (a phone that changes networks).
"""

from typing import Any, Protocol

import pykka

from arcly_actors.runtime import SessionNote
from arcly_actors.transport.dtls_srtp import IceAgent, IceCredentials, RemoteParameters
from arcly_actors.transport.srtp_session import SessionState, SrtpPort, SrtpSession
from arcly_actors.transport.udp_socket import Source


class SessionPort(SrtpPort, Protocol):
    """What a session needs of its port."""

    def hold(self, session: "WebRtcSession", source: Source, now: int) -> bool:
        """The peer of this session has shown that it is at `source`; False when that is another session's."""
        ...

    def established(self, session: "WebRtcSession") -> None:
        """It is no longer half open."""
        ...

    def forget(self, session: "WebRtcSession") -> None:
        """It is closed."""
        ...

    def new_agent(self, session: "WebRtcSession", remote: IceCredentials) -> tuple[IceCredentials, IceAgent]:
        """Credentials of ours that name this session, and the agent that knows both sides'."""
        ...

    def drop_agent(self, local: IceCredentials) -> None:
        """Those credentials are no longer valid."""
        ...


class WebRtcSession(SrtpSession):
    """See the module."""

    _port: SessionPort
    note: SessionNote | None = None
    """Where a tape wants its packets; see `taped_session`."""

    def __init__(self, port: SessionPort, owner: pykka.ActorRef[Any], remote: RemoteParameters) -> None:
        super().__init__(port, owner, remote)
        self.local, self._agent = port.new_agent(self, remote.ice)
        self._former: IceCredentials | None = None

    def add_candidate(self, candidate: str) -> None:
        """See `DtlsSrtpTransport.add_candidate`."""

    def restart(self, remote: IceCredentials) -> IceCredentials:
        """See `DtlsSrtpTransport.restart`. The former credentials work until the new ones have."""
        if self.state is SessionState.CLOSED:
            return self.local
        if self._former is not None:
            self._port.drop_agent(self._former)
        self._former = self.local
        self.local, self._agent = self._port.new_agent(self, remote)
        return self.local

    def checked(self, datagram: bytes, agent: IceAgent, source: Source, local: bytes) -> bool:
        """A STUN message names this session; whether it was worth an answer."""
        now = self._port.now()
        path = self._udp.path(source, local)
        answer = agent.receive(datagram, (path.address.host, path.address.port), now)
        if answer.validated:
            if not self._port.hold(self, source, now):
                return False
            self._consented()
            if agent is self._agent and self._former is not None:
                self._port.drop_agent(self._former)
                self._former = None
            if self._path is None or (answer.selected and not self._path.same(path)):
                self._go_by(path)
        # Errors go to sources that nothing is known of: never more than came from there.
        if answer.reply is not None and (answer.validated or len(answer.reply) <= len(datagram)):
            self._udp.send(answer.reply, path)
        if answer.validated:
            self._shake_hands()  # after the reply, without which some peers do not expect it
        return answer.validated or answer.reply is not None

    def checked_again(self, datagram: bytes, source: Source, local: bytes) -> bool:
        """Whether this was the check of the path in use once more, the peer's consent; it is answered then."""
        path = self._path
        if path is None or path.source != source or path.local != local or self.state is not SessionState.CONNECTED:
            return False
        now = self._port.now()
        reply = self._agent.again(datagram, (path.address.host, path.address.port), now)
        if reply is None or not self._port.hold(self, source, now):
            return False
        self._consented_at = self._heard_at = now
        self._udp.send(reply, path)
        return True

    def _established(self) -> None:
        self._port.established(self)

    def _ended(self) -> None:
        self._port.drop_agent(self.local)
        if self._former is not None:
            self._port.drop_agent(self._former)
        self._port.forget(self)
