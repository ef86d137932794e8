"""The server end of an RTSP connection, for publishers and players alike (RFC 2326 §10)."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from arcly_actors import limits
from arcly_actors.errors import PeerLimit, PeerViolation, Refused
from arcly_actors.protocols.outputs import WakeAt
from arcly_actors.protocols.rtsp import status
from arcly_actors.protocols.rtsp import transport as transports
from arcly_actors.protocols.rtsp.access import Access, Action
from arcly_actors.protocols.rtsp.address import Location, locate, track_number
from arcly_actors.protocols.rtsp.auth import Gatekeeper
from arcly_actors.protocols.rtsp.description import parse
from arcly_actors.protocols.rtsp.engine import RtspEngine
from arcly_actors.protocols.rtsp.events import (
    Accept,
    AnnounceRequested,
    AnswerDescribe,
    DescribeRequested,
    End,
    Paused,
    PlayRequested,
    RecordStarted,
    Refuse,
    SendPackets,
    ServerCommand,
    ServerEvent,
    SignOfLife,
    Stopped,
    TrackStart,
)
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.message import VERSION, Fields, Request, Response, write_response
from arcly_actors.protocols.rtsp.served import ServedStream
from arcly_actors.protocols.rtsp.states import SESSION, Move, State
from arcly_actors.protocols.rtsp.transport import Lower, Pair
from arcly_actors.version import VERSION as OWN_VERSION

_SERVER = ("Server", f"arcly_actors/{OWN_VERSION}")
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What is the same for all connections of an endpoint. `udp_ports` are our RTP and RTCP port, None without UDP."""

    limits: RtspLimits = field(default_factory=RtspLimits)
    udp_ports: Pair | None = None
    access: Access = field(default_factory=Access)
    basic: bool = False


class RtspServer(RtspEngine[ServerEvent]):
    """A sans-IO RTSP server connection. `seed` is entropy for the session id and the nonce: 32 random bytes."""

    def __init__(self, seed: bytes, rules: ServerRules | None = None) -> None:
        self._rules = rules or ServerRules()
        super().__init__(self._rules.limits, lenient=False)
        self._session_id = hashlib.sha256(b"session" + seed).hexdigest()[:16]
        access = self._rules.access
        self._gate = Gatekeeper(access.passwords, seed, basic=self._rules.basic)
        self._stream: ServedStream | None = None
        self._pending: tuple[Request, Location] | None = None
        self._user = ""
        self._unauthorised = 0
        self._asked = False
        self._heard: dict[tuple[int, bool], int] = {}
        self._outputs.append(WakeAt(0))  # at once: a client that never sends a byte must time out, too

    def _hears(self, where: tuple[int, bool]) -> bool:
        """A publisher's packets all; of a player's reports one in a while: FFmpeg sends one for every 5.6 kB it gets."""
        if self.state is State.RECORDING:
            return True
        due = self._now >= self._heard.get(where, 0)
        if due:
            self._heard[where] = self._now + limits.RTSP_HEAR_INTERVAL
        return due

    # -- what the session decides

    def command(self, command: ServerCommand, now: int) -> None:
        """Carry out the session's decision; ValueError when nothing asked for it."""
        if self.state is State.CLOSED:
            return
        self._now = now
        match command:
            case SendPackets():
                self._send_packets(command.packets)
            case SignOfLife():
                self._watch()
            case End():
                error = Refused(command.refusal, command.detail) if command.refusal is not None else None
                self._hang_up(command.detail, error)
            case AnswerDescribe():
                self._described(command)
            case Accept() | Refuse():
                self._decided(command)

    def _described(self, answer: AnswerDescribe) -> None:
        request, location = self._decision("DESCRIBE", "SETUP")
        if self.state is State.INIT and (self._stream is None or not self._stream.record):
            self._stream = ServedStream(location, answer.description, record=False)
        if request.method == "SETUP":
            self._dispatch(RtspServer._set_up, request)
        else:
            base = request.uri.partition("?")[0].rstrip("/") + "/"
            fields = [("Content-Type", "application/sdp"), ("Content-Base", base)]
            self._answer(request, status.OK, fields, answer.body)
        self._go_on()

    def _decided(self, decision: Accept | Refuse) -> None:
        request, _ = self._decision("DESCRIBE", "SETUP", "ANNOUNCE", "PLAY")
        if isinstance(decision, Refuse):
            if request.method == "ANNOUNCE":
                self._stream = None
            code = status.REFUSALS[decision.refusal]
            self._refuse(request, code, decision.detail)
        elif request.method == "PLAY":
            self._move(Move.PLAY)
            self._answer(request, status.OK, [("Range", "npt=now-"), *self._rtp_info(request, decision.starts)])
        elif request.method == "ANNOUNCE":
            self._answer(request, status.OK)
        else:
            raise ValueError(f"{request.method} is answered with a description")
        self._go_on()

    def _rtp_info(self, request: Request, starts: Iterable[TrackStart]) -> list[tuple[str, str]]:
        """The RTP-Info field (§12.33), its URLs as the client made them; none when nothing is known."""
        if self._stream is None:
            return []
        found = track_number(request.uri.partition("?")[0])
        base = (found[0] if found else request.uri.partition("?")[0]).rstrip("/")
        media = self._stream.description.media
        told = [f"url={base}/{media[at.medium].control};seq={at.sequence};rtptime={at.timestamp}" for at in starts]
        return [("RTP-Info", ",".join(told))] if told else []

    def _decision(self, *methods: str) -> tuple[Request, Location]:
        pending, self._pending = self._pending, None
        if pending is None or pending[0].method not in methods:
            raise ValueError("there is no such request to decide on")
        return pending

    def _go_on(self) -> None:
        self._watch()
        self._resume()

    def _ask(self, request: Request, location: Location, event: ServerEvent) -> None:
        self._pending = (request, location)
        self._await_decision()
        self._emit(event)

    # -- deadlines

    def wake(self, now: int) -> None:
        """A deadline may have passed; the first call, which is asked for at once, starts that of the first request."""
        if not self._asked and self._deadline is None and not self._awaiting and self.state is not State.CLOSED:
            self._now = now
            self._set_deadline(self._limits.handshake_timeout)
        super().wake(now)

    def _on_deadline(self) -> None:
        self._hang_up("timeout", PeerLimit("the peer has not been heard in time"))

    def _watch(self) -> None:
        """Start anew the time within which the peer has to be heard; TCP itself finds out that a viewer is gone."""
        over_tcp = self._stream is not None and all(one.lower is Lower.TCP for one in self._stream.setups.values())
        if self.state is State.RECORDING or (self.state is State.PLAYING and over_tcp):
            self._set_deadline(None)
        elif self.state is State.PLAYING:
            self._set_deadline(self._limits.session_timeout + self._limits.session_timeout // 5)
        else:
            self._set_deadline(self._limits.idle_timeout)

    def _on_hangup(self) -> None:
        self._stop()
        self._pending = None

    def _on_violation(self, error: PeerViolation) -> None:
        code = error.code if isinstance(error.code, int) else status.BAD_REQUEST
        reason = status.REASONS.get(code, "Bad Request")
        self._write(write_response(Response(code, reason, Fields([_SERVER]))))

    def _stop(self) -> None:
        """Tell the session that what it granted is over."""
        stream, self._stream = self._stream, None
        self._channels = {}
        if stream is not None and (stream.record or self.state is not State.INIT):
            self._emit(Stopped())

    # -- what the peer says

    def _on_response(self, response: Response) -> None:
        del response
        self.drops["response"] += 1

    def _on_request(self, request: Request) -> None:
        self._asked = True
        self._watch()
        if request.sequence is None:
            self._refuse(request, status.BAD_REQUEST, "no CSeq")
        elif request.version != VERSION:
            self._refuse(request, status.WRONG_VERSION, request.version)
        elif (method := self._METHODS.get(request.method)) is None:
            self._refuse(request, status.NOT_IMPLEMENTED, request.method)
        elif "Require" in request.fields or "Proxy-Require" in request.fields:
            wanted = request.fields.get("Require") or request.fields.get("Proxy-Require")
            self._answer(request, status.OPTION_NOT_SUPPORTED, [("Unsupported", wanted)])
        elif not self._knows_session(request):
            self._refuse(request, status.SESSION_NOT_FOUND, "")
        else:
            self._dispatch(method, request)

    def _dispatch(self, method: "Callable[[RtspServer, Request, Location], None]", request: Request) -> None:
        try:
            location = locate(request.uri)
            if self._admits(request, location):
                method(self, request, location)
        except Refused as refused:
            self._refuse(request, status.REFUSALS[refused.refusal], refused.detail)
        except PeerViolation as error:
            # What the body or a header says wrongly costs the request; the framing of the connection is not in doubt.
            self._refuse(request, error.code if isinstance(error.code, int) else status.BAD_REQUEST, str(error))

    def _knows_session(self, request: Request) -> bool:
        """Whether the Session header, if any, is ours: clients repeat its timeout, with spaces or without."""
        told = request.fields.get("Session").partition(";")[0].strip()
        return not told or told == self._session_id

    def _admits(self, request: Request, location: Location) -> bool:
        """Check who asks; False when the peer was told that it may not."""
        action = self._action(request)
        access = self._rules.access
        if action is None or access.is_open(action):
            return True
        user = self._gate.user(request.fields.get("Authorization"), request.method)
        if user is None:
            self._challenge(request)
            return False
        path = self._stream.location.path if self._stream is not None and request.method != "ANNOUNCE" else location.path
        if request.method == "SETUP" and self._stream is None and (found := track_number(location.target)) is not None:
            path = locate(found[0]).path
        if not access.allows(user, action, path):
            self._refuse(request, status.FORBIDDEN, f"{user} may not {action} here")
            return False
        self._user, self._unauthorised = user, 0
        return True

    def _action(self, request: Request) -> Action | None:
        if request.method in {"ANNOUNCE", "RECORD"}:
            return Action.PUBLISH
        if request.method == "SETUP" and self._stream is not None and self._stream.record:
            return Action.PUBLISH
        return Action.PLAY if request.method in {"DESCRIBE", "SETUP", "PLAY"} else None

    def _challenge(self, request: Request) -> None:
        self._unauthorised += 1
        fields = [("WWW-Authenticate", str(challenge)) for challenge in self._gate.challenges()]
        self._answer(request, status.UNAUTHORISED, fields)
        if self._unauthorised >= self._limits.max_unauthorised:
            self._hang_up("too many attempts", PeerLimit("too many requests without good credentials"))

    # -- methods

    def _options(self, request: Request, _location: Location) -> None:
        self._answer(request, status.OK, [("Public", ", ".join(self._METHODS))])

    def _parameter(self, request: Request, _location: Location) -> None:
        """GET_PARAMETER and SET_PARAMETER (§10.8, §10.9): empty they ask whether we live; we have no parameters."""
        if request.body.strip():
            self._refuse(request, status.PARAMETER_NOT_UNDERSTOOD, "")
        else:
            self._answer(request, status.OK)

    def _describe(self, request: Request, location: Location) -> None:
        accepts = request.fields.get("Accept", "application/sdp").lower()
        if not any(kind in accepts for kind in ("application/sdp", "*/*", "application/*")):
            self._refuse(request, status.NOT_ACCEPTABLE, "only application/sdp")
            return
        self._ask_to_describe(request, location)

    def _ask_to_describe(self, request: Request, location: Location) -> None:
        agent = request.fields.get("User-Agent")[:128]
        event = DescribeRequested(location.path, location.parameters, agent, self._user)
        self._ask(request, location, event)

    def _announce(self, request: Request, location: Location) -> None:
        if self.state is not State.INIT or self._stream is not None:
            self._refuse(request, status.WRONG_STATE, "this connection has a stream already")
            return
        description = parse(request.body)
        if not description.tracks:
            named = ", ".join(medium.name or medium.kind for medium in description.media)
            self._refuse(request, status.UNSUPPORTED_MEDIA, f"nothing of {named} can be carried")
            return
        self._stream = ServedStream(location, description, record=True)
        agent = request.fields.get("User-Agent")[:128]
        event = AnnounceRequested(location.path, location.parameters, description, agent, self._user)
        self._ask(request, location, event)

    def _set_up(self, request: Request, location: Location) -> None:
        if Move.SET_UP not in SESSION[self.state]:
            self._refuse(request, status.WRONG_STATE, self.state.name.lower())
            return
        stream = self._stream
        if stream is None:
            # Without a DESCRIBE before it: the track's number tells where the stream's own address ends.
            found = track_number(location.target)
            self._ask_to_describe(request, locate(found[0]) if found else location)
            return
        medium = stream.medium_at(location.target)
        if medium is None:
            self._refuse(request, status.NOT_FOUND, "no such track")
            return
        chosen = stream.choose(medium, transports.parse(request.fields.get("Transport")), self._rules.udp_ports)
        if chosen is None:
            self._refuse(request, status.UNSUPPORTED_TRANSPORT, "")
            return
        stream.setups[medium] = chosen
        self._claim_channels(medium, chosen)
        self._move(Move.SET_UP)
        self._answer(request, status.OK, [("Transport", str(chosen))])

    def _play(self, request: Request, location: Location) -> None:
        stream = self._stream
        if Move.PLAY not in SESSION[self.state] or stream is None or stream.record:
            self._refuse(request, status.WRONG_STATE, self.state.name.lower())
        elif self.state is State.PLAYING:
            self._answer(request, status.OK, [("Range", "npt=now-")])  # a live stream is where it is
        else:
            where = stream.location
            self._ask(request, location, PlayRequested(where.path, where.parameters, stream.track_setups()))

    def _record(self, request: Request, _location: Location) -> None:
        stream = self._stream
        if Move.RECORD not in SESSION[self.state] or stream is None or not stream.record:
            self._refuse(request, status.WRONG_STATE, self.state.name.lower())
            return
        self._move(Move.RECORD)
        self._watch()
        self._answer(request, status.OK)
        self._emit(RecordStarted(stream.track_setups()))

    def _pause(self, request: Request, _location: Location) -> None:
        if Move.PAUSE not in SESSION[self.state]:
            self._refuse(request, status.WRONG_STATE, self.state.name.lower())
            return
        if self.state is not State.READY:
            self._emit(Paused())
        self._move(Move.PAUSE)
        self._watch()
        self._answer(request, status.OK)

    def _tear_down(self, request: Request, _location: Location) -> None:
        self._stop()
        self._move(Move.TEAR_DOWN)
        self._watch()
        self._answer(request, status.OK)

    # -- answers

    def _refuse(self, request: Request, code: int, detail: str) -> None:
        # Clients show the reason phrase, so it says what is wrong; it cannot hold what would end the line.
        reason = status.REASONS[code]
        shown = "".join(letter for letter in detail[:200] if letter.isprintable())
        self._answer(request, code, reason=f"{reason}: {shown}" if shown else reason)

    def _answer(
        self,
        request: Request,
        code: int,
        fields: "list[tuple[str, str]] | tuple[()]" = (),
        body: bytes = b"",
        reason: str = "",
    ) -> None:
        told: list[tuple[str, str]] = []
        if request.sequence is not None:
            told.append(("CSeq", str(request.sequence)))
        told.append(_SERVER)
        if self.state is not State.INIT:
            seconds = self._limits.session_timeout // _SECOND
            told.append(("Session", f"{self._session_id};timeout={seconds}"))
        self._write(write_response(Response(code, reason or status.REASONS[code], Fields([*told, *fields]), body)))

    # A table of the class: all connections share it.
    _METHODS: ClassVar[Mapping[str, "Callable[[RtspServer, Request, Location], None]"]] = {
        "OPTIONS": _options,
        "DESCRIBE": _describe,
        "ANNOUNCE": _announce,
        "SETUP": _set_up,
        "PLAY": _play,
        "RECORD": _record,
        "PAUSE": _pause,
        "GET_PARAMETER": _parameter,
        "SET_PARAMETER": _parameter,
        "TEARDOWN": _tear_down,
    }
