"""`TapedSession`: a WebRTC session with a tape at its decrypted seam, chosen instead of a plain one when it is opened.

What the transport tells its owner is what came in: packets as they were decrypted, with the times that the owner is told.
What it is given to send is what goes out. So a session without a tape costs nothing more, and in a crowd one with a tape
is sent to by itself, while the others go on as before.
"""

from typing import Any, cast

import pykka

from arcly_actors.runtime import SessionNote
from arcly_actors.transport.dtls_srtp import RemoteParameters, RtcpArrived, RtpArrived
from arcly_actors.transport.srtp_batch import SharedPackets
from arcly_actors.transport.srtp_session import SessionState, SrtpSession
from arcly_actors.transport.webrtc_session import SessionPort, WebRtcSession


class Taped(SrtpSession):
    """See the module; what a session of any kind of ICE has of it."""

    def __init__(self, port: Any, owner: pykka.ActorRef[Any], remote: RemoteParameters, note: SessionNote) -> None:
        self.note: SessionNote | None = note
        self._tell = note.put
        self._ours = False
        super().__init__(port, owner, remote)
        self.overhear(lambda owner: _overheard(owner, self))

    def send_shared(self, packets: SharedPackets) -> bool:
        """See `DtlsSrtpTransport.send_shared`."""
        if self.state is SessionState.CONNECTED:
            for packet in packets.packets:
                self._tell("rtp-out", packet)
        return super().send_shared(packets)

    def send_rtcp(self, data: bytes) -> bool:
        """See `DtlsSrtpTransport.send_rtcp`."""
        if self.state is SessionState.CONNECTED:
            self._tell("rtcp-out", data)
        return super().send_rtcp(data)

    def close(self, reason: str) -> None:
        """See `DtlsSrtpTransport.close`."""
        self._shut()
        super().close(reason)

    def owner_ended(self, error: BaseException | None, reason: str) -> None:
        """See `SrtpSession.owner_ended`."""
        if error is None:
            self._shut()
        super().owner_ended(error, reason)

    def end(self, reason: str, error: BaseException | None = None) -> None:
        """See `SrtpSession.end`: what its owner did not ask for came in."""
        if self.state is not SessionState.CLOSED and not self._ours:
            failure: dict[str, Any] = {"error": str(error)} if error is not None else {}
            self._tell("closed", reason=reason, **failure)
        super().end(reason, error)

    def told(self, message: object) -> None:
        """The owner is about to be told this."""
        if isinstance(message, RtpArrived):
            self._tell("rtp-in", message.data, message.at)
        elif isinstance(message, RtcpArrived):
            self._tell("rtcp-in", message.data, message.at)

    def _shut(self) -> None:
        if self.state is not SessionState.CLOSED and not self._ours:
            self._ours = True
            self._tell("shut")

    def _established(self) -> None:
        assert self._path is not None, "it is connected"
        self._tell("connected", profile=self._dtls.profile.name, peer=str(self._path.address))
        super()._established()

    def _settle(self) -> None:
        """Without a station it is no part of a crowd's rows."""
        super()._settle()
        self.station = None


class TapedSession(Taped, WebRtcSession):
    """One that is opened at our port."""

    def __init__(
        self, port: SessionPort, owner: pykka.ActorRef[Any], remote: RemoteParameters, note: SessionNote
    ) -> None:
        super().__init__(port, owner, remote, note)
        # What an answer says of the transport and no draw of entropy tells.
        self._tell("session", fingerprint=self.fingerprint.value, candidates=[str(each) for each in self.candidates])


class _Overheard:
    """Stands for an owner towards its session."""

    def __init__(self, owner: pykka.ActorRef[Any], session: Taped) -> None:
        self._owner = owner
        self._session = session

    def tell(self, message: object) -> None:
        self._session.told(message)
        self._owner.tell(message)


def _overheard(owner: pykka.ActorRef[Any], session: Taped) -> pykka.ActorRef[Any]:
    return cast("pykka.ActorRef[Any]", _Overheard(owner, session))
