"""What WHIP and WHEP peers have in common: an offer by HTTP, a session, media on a path of its own, a DELETE.

Media is what it is above DTLS-SRTP: decrypted packets, at the seam that replays have too (`script.webrtc`).
"""

import base64
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import LocalParameters, Negotiation
from arcly_actors.protocols.webrtc.description import Fingerprint
from arcly_actors.protocols.webrtc.formats import PayloadFormat
from arcly_actors.protocols.webrtc.offer import Offering, read_answer, write_offer
from arcly_actors.script.webrtc import Played
from arcly_actors.simulation.exchange import Exchange, Reply
from arcly_actors.simulation.media_path import MediaPath
from arcly_actors.simulation.peer import Peer
from arcly_actors.transport.srtp_session import SessionState

_FEEDBACK = ("goog-remb", "ccm fir", "nack", "nack pli")
_H264 = {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"}
_OPUS = {"minptime": "10", "useinbandfec": "1"}
ELEMENTS: Final = {extensions.MID: 1, extensions.ABS_SEND_TIME: 2}
"""Header extensions that are offered, with their ids."""

_ROUND_TRIPS = 4
"""What ICE checks and a DTLS handshake take, in ways."""

_RESTARTING = 5 * NS_PER_S
"""How long offers may be turned away after a crash."""

_LOSSES = (2 * NS_PER_S, 12 * NS_PER_S)
"""How long a path loses packets, about."""


def format_of(codec: CodecId, *, rtx: bool) -> PayloadFormat:
    """How a codec is offered."""
    if codec is CodecId.OPUS:
        return PayloadFormat(111, codec, _OPUS)
    number = 102 if codec is CodecId.H264 else 104
    return PayloadFormat(number, codec, _H264 if codec is CodecId.H264 else {}, _FEEDBACK, number + 1 if rtx else None)


class RtcPeer(Peer):
    """See the module. `kind` is the last part of its endpoint's path.

    Its path loses packets for a while only; `mended` is when that ended last (monotonic ns).
    """

    door = "http"
    kind: ClassVar[str] = ""
    faults: ClassVar[frozenset[str]] = frozenset({"cut", "loss", "jitter", "garbage"})
    nonsense: ClassVar[tuple[bytes, ...]] = (b"", b"\x80\xc9", b"\x81\xcd", b"\x81\xce", b"\x80\x66")
    """What its garbage begins with."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.path = MediaPath(self.world, self.address, self.received)
        self.session: Played | None = None
        self.mended = 0
        self._location = ""
        self._losing = 0

    def offer(self, offerings: Sequence[Offering]) -> None:
        """Ask for a session."""
        chance = self.world.chance
        fingerprint = Fingerprint("sha-256", ":".join(f"{byte:02X}" for byte in chance.data(32)))
        ufrag, pwd = (base64.b64encode(chance.data(size)).decode("ascii") for size in (6, 18))
        local = LocalParameters(fingerprint, ufrag, pwd, (), int.from_bytes(chance.data(7)), self.name)
        self._offer = write_offer(local, offerings)
        self._exchange = Exchange(self.world, self.address, self._answered)
        if not self._exchange.ask("POST", f"/{self.key}/{self.kind}", self._offer.text()):
            self.end("engine", "turned away")

    def agreed(self, negotiation: Negotiation) -> None:
        """The offer was answered."""
        raise NotImplementedError

    def connected(self) -> None:
        """Media can flow."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """A packet from the engine."""
        raise NotImplementedError

    def declined(self, reply: Reply) -> None:
        """The offer was not taken."""
        if reply.status == 503 and self.world.now - self.world.trouble(None) < _RESTARTING:
            self.excuse("WebRTC was being restarted")
        if reply.status == 500 and not self.excuses and not self.crashes:
            self.world.strange(f"{self} was answered 500 though nothing of ours failed")
        told = f"{reply.status} {reply.body[:200].decode('utf-8', 'replace')}" if reply.status else "closed"
        self.end("engine", told)

    @property
    def lively(self) -> bool:
        """Whether it has a session to which packets go."""
        return not self.over and self.session is not None and self.session.state is SessionState.CONNECTED

    def _answered(self, reply: Reply) -> None:
        if self.over:
            return
        if reply.status != 201:
            self.declined(reply)
            return
        self._location = reply.fields["location"]
        negotiation = read_answer(reply.body.decode(), self._offer)
        self.agreed(negotiation)
        session = self.world.network.peers.sessions.get(negotiation.peer.ufrag)
        if session is None:
            self._closed("its session has ended already")
            return
        self.session = session
        session.shut = self._shut
        self.path.attach(session)
        if self.world.chance.happens(0.03):
            self.excuse("it never connects")
        else:
            self.world.later(_ROUND_TRIPS * self.path.latency, self._connect)

    def _connect(self) -> None:
        session = self.session
        if not self.over and session is not None and session.state is SessionState.OPEN:
            session.connect(self.address)
            self.connected()

    def _shut(self, reason: str) -> None:
        self.world.later(self.path.latency, self._closed, reason)

    def _closed(self, reason: str) -> None:
        if not self.over:
            self.path.close()
            self.end("engine", reason)

    def port_crashed(self) -> None:
        """All sessions end with their port."""
        self.excuse("its port crashed")
        self.doomed = self.doomed or self.world.now

    # -- what befalls it ----------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """See `Peer`: a DELETE ends the session, if there is one yet."""
        self.path.close()
        self.end("us", "left")
        if not self._location:
            self._exchange.drop()
            return
        exchange = Exchange(self.world, self.address, self._deleted)
        exchange.ask("DELETE", self._location)

    def _deleted(self, reply: Reply) -> None:
        if reply.status not in (0, 200, 404, 503):
            self.world.strange(f"{self} was answered {reply.status} to its DELETE")
        elif reply.status == 200 and self.session is not None and self.session.state is not SessionState.CLOSED:
            self.world.strange(f"the session of {self} goes on after its DELETE")

    def cut(self) -> None:
        """See `Peer`: its checks of the path end, and nothing else tells the engine."""
        self._exchange.drop()
        self.path.close()
        self.end("us", "cut")

    def babble(self, data: bytes) -> None:
        """See `Peer`: nonsense that passed SRTP, some of it with a header that is none."""
        head = self.world.chance.one(self.nonsense)
        self.path.send((head + data)[: limits.RTP_BYTES])

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`: packets overtake each other by less than either end waits for them."""
        self.path.latency, self.path.jitter = max(latency // 4, NS_PER_MS), jitter // 8

    def lose(self, loss: float, doubled: float) -> None:
        """See `Peer`."""
        self.path.loss, self.path.doubled = loss, doubled
        self._losing += 1
        self.world.later(self.world.chance.whole(*_LOSSES), self._mend, self._losing)

    def _mend(self, losing: int) -> None:
        if losing == self._losing:
            self.path.loss = self.path.doubled = 0.0
            self.mended = self.world.now
