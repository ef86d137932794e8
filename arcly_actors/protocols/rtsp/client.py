"""The client end of an RTSP connection: it plays what a server describes, or records what it announces itself.

The engine asks by itself, one request after the other: OPTIONS, DESCRIBE (or ANNOUNCE), a SETUP for each medium, PLAY (or
RECORD), and then keeps the session alive. Its owner decides once: `Described` is answered with `SetUp`, after which come
`SetUpAnswered` and `Started`. A server that does not take the transport is told of by `TransportRefused`; another `SetUp`
tries again. What the owner cannot mend ends in a hang-up, whose error is `Refused` when the server said no.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from arcly_actors.errors import ConfigurationError, Malformed, PeerLimit, PeerViolation, Refused
from arcly_actors.protocols.outputs import WakeAt
from arcly_actors.protocols.rtsp import status
from arcly_actors.protocols.rtsp import transport as transports
from arcly_actors.protocols.rtsp.address import RtspUrl, resolve
from arcly_actors.protocols.rtsp.auth import Challenge, Credentials, answer, read_challenges
from arcly_actors.protocols.rtsp.description import Description, parse
from arcly_actors.protocols.rtsp.engine import RtspEngine
from arcly_actors.protocols.rtsp.events import SendPackets, TrackSetUp
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.message import Fields, Request, Response, write_request, write_response
from arcly_actors.protocols.rtsp.states import Move, State
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.version import VERSION

_SECOND = 1_000_000_000
_LEAST_KEEPALIVE = 5 * _SECOND


@dataclass(frozen=True, slots=True)
class Described:
    """The server's description, or its consent to ours; answer with `SetUp`."""

    description: Description


@dataclass(frozen=True, slots=True)
class SetUpAnswered:
    """All media have their transport, as the server has it; PLAY or RECORD is under way."""

    setups: tuple[TrackSetUp, ...]


@dataclass(frozen=True, slots=True)
class TransportRefused:
    """The server does not take this transport; answer with another `SetUp` or `Stop`."""

    detail: str


@dataclass(frozen=True, slots=True)
class Started:
    """The server plays, or takes what is sent from now on."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The stream is elsewhere; a hang-up follows."""

    url: RtspUrl


ClientEvent: TypeAlias = Described | SetUpAnswered | TransportRefused | Started | Redirected


@dataclass(frozen=True, slots=True)
class SetUp:
    """Have these media, by their index, go by these transports; media that are not named are left out."""

    transports: Mapping[int, Transport]


@dataclass(frozen=True, slots=True)
class Stop:
    """End it properly, and hang up."""


ClientCommand: TypeAlias = SetUp | SendPackets | Stop
_Then: TypeAlias = "Callable[[Response], None]"


@dataclass(slots=True)
class _Asked:
    """The request that is under way, and what to do with its answer."""

    request: Request
    then: _Then
    authorised: bool = False


class RtspClient(RtspEngine[ClientEvent]):
    """A sans-IO RTSP client connection to `url`. With `announce` (a description and its text) it records, else it plays.

    `seed` is entropy, for servers that want a nonce of ours.
    """

    def __init__(
        self,
        url: RtspUrl,
        seed: bytes,
        bounds: RtspLimits | None = None,
        *,
        announce: tuple[bytes, Description] | None = None,
    ) -> None:
        super().__init__(bounds or RtspLimits(), lenient=True)
        self._url = url
        self._uri = str(replace(url, user="", password=""))
        self._base = self._uri
        self._cnonce = seed.hex()[:16]
        self._announce = announce
        self._description = announce[1] if announce is not None else Description(())
        self._sequence = 0
        self._asked: _Asked | None = None
        self._challenge: Challenge | None = None
        self._answers = 0
        self._session = ""
        self._timeout = self._limits.session_timeout
        self._methods: frozenset[str] = frozenset()
        self._wanted: list[tuple[int, Transport]] = []
        self._setups: list[TrackSetUp] = []
        self._outputs.append(WakeAt(0))  # at once: the answer is waited for within a time
        self._ask("OPTIONS", self._uri, self._on_options)

    # -- what the owner wants

    def command(self, command: ClientCommand, now: int) -> None:
        """Carry it out; ValueError when its time has not come."""
        if self.state is State.CLOSED:
            return
        self._now = now
        match command:
            case SendPackets():
                self._send_packets(command.packets)
            case SetUp():
                if self.state is not State.INIT or self._asked is not None or not command.transports:
                    raise ValueError("media are set up after Described, each once")
                self._wanted = sorted(command.transports.items())
                self._setups, self._channels = [], {}
                self._set_up_next()
                self._resume()
            case Stop():
                if self._session:
                    self._write(self._bytes(self._request("TEARDOWN", self._aggregate(), (), b"")))
                self._hang_up("stopped", None)

    def _ask(
        self, method: str, uri: str, then: _Then, fields: tuple[tuple[str, str], ...] = (), body: bytes = b""
    ) -> None:
        request = self._request(method, uri, fields, body)
        self._asked = _Asked(request, then, self._challenge is not None)
        self._write(self._bytes(request))
        if self._now:  # the very first request is written before anybody has told the time
            self._set_deadline(self._limits.answer_timeout)

    def _request(self, method: str, uri: str, fields: tuple[tuple[str, str], ...], body: bytes) -> Request:
        told = [("User-Agent", f"arcly_actors/{VERSION}")]
        if self._session:
            told.append(("Session", self._session))
        return Request(method, uri, Fields([*told, *fields]), body)

    def _bytes(self, request: Request) -> bytes:
        self._sequence += 1
        told = [("CSeq", str(self._sequence))]
        if self._challenge is not None:
            self._answers += 1
            who = Credentials(self._url.user, self._url.password)
            shown = answer(self._challenge, who, request.method, request.uri, self._answers, self._cnonce)
            told.append(("Authorization", shown))
        return write_request(replace(request, fields=Fields([*told, *request.fields])))

    def _aggregate(self) -> str:
        """The URL that PLAY, RECORD and TEARDOWN are about."""
        control = self._description.control
        return self._uri if self._announce is not None else resolve(self._base, control)

    def _set_up_next(self) -> None:
        index, transport = self._wanted[len(self._setups)]
        medium = self._description.media[index]
        if self._announce is not None:
            base = self._uri
        else:
            base = self._base if "://" not in self._description.control else self._description.control
        wanted = str(replace(transport, record=self._announce is not None))
        self._ask("SETUP", resolve(base, medium.control), self._on_set_up, (("Transport", wanted),))

    # -- deadlines

    def wake(self, now: int) -> None:
        """A deadline may have passed; the first call, which is asked for at once, starts that of the first answer."""
        self._now = now
        if self._asked is not None and self._deadline is None:
            self._set_deadline(self._limits.answer_timeout)
        super().wake(now)

    def _on_deadline(self) -> None:
        started = self.state in {State.PLAYING, State.RECORDING}
        if self._asked is not None and not started:
            self._hang_up("timeout", PeerLimit(f"no answer to {self._asked.request.method} in time"))
        elif started:  # a keep-alive that is not answered is no matter: some devices never do
            method = "GET_PARAMETER" if "GET_PARAMETER" in self._methods else "OPTIONS"
            self._ask(method, self._aggregate(), self._on_alive)
            self._keep_alive()

    def _keep_alive(self) -> None:
        self._set_deadline(max(_LEAST_KEEPALIVE, self._timeout // 2))

    def _on_hangup(self) -> None:
        self._asked = None

    def _on_violation(self, error: PeerViolation) -> None:
        """A server is not told what it does wrong."""

    # -- what the server says

    def _takes_frames(self) -> bool:
        return self.state is not State.INIT  # some send before they have answered PLAY

    def _on_request(self, request: Request) -> None:
        self._reply(request, status.NOT_IMPLEMENTED if request.method not in _ANSWERED else status.OK)
        if request.method == "REDIRECT":
            self._redirect(request.fields.get("Location"))
        elif request.method == "TEARDOWN":
            self._hang_up("the server ended the session", None)

    def _reply(self, request: Request, code: int) -> None:
        told = [("CSeq", str(request.sequence))] if request.sequence is not None else []
        self._write(write_response(Response(code, status.REASONS[code], Fields(told))))

    def _on_response(self, response: Response) -> None:
        asked = self._asked
        if asked is None or response.sequence not in {None, self._sequence}:
            self.drops["response"] += 1
            return
        if 100 <= response.status < 200:
            return
        self._asked = None
        if response.status == status.UNAUTHORISED and self._authorise(asked, response):
            return
        if response.status // 100 == 3:
            self._redirect(response.fields.get("Location"))
        else:
            asked.then(response)

    def _authorise(self, asked: _Asked, response: Response) -> bool:
        """Ask again with credentials; False when there are none or they were no good."""
        challenges = read_challenges(response.fields.every("WWW-Authenticate"))
        if not challenges or not self._url.user or (asked.authorised and not challenges[0].stale):
            return False
        self._challenge, self._answers = challenges[0], 0
        self._asked = _Asked(asked.request, asked.then, authorised=True)
        self._write(self._bytes(asked.request))
        self._set_deadline(self._limits.answer_timeout)
        return True

    def _redirect(self, location: str) -> None:
        try:
            url = self._url.redirected(location)
        except ConfigurationError as error:
            self._hang_up("redirected", Malformed(f"redirected to {location[:60]!r}: {error}"))
            return
        self._emit(Redirected(url))
        self._hang_up("redirected", None)

    def _refused(self, method: str, response: Response) -> None:
        detail = f"{method} was answered {response.status} {response.reason}".rstrip()
        self._hang_up(detail, Refused(status.meaning(response.status), detail))

    def _on_options(self, response: Response) -> None:
        told = ",".join([*response.fields.every("Public"), *response.fields.every("Allow")])
        self._methods = frozenset(name.strip().upper() for name in told.split(","))
        if response.status == status.UNAUTHORISED:
            self._refused("OPTIONS", response)
        elif self._announce is not None:
            body = self._announce[0]
            self._ask("ANNOUNCE", self._uri, self._on_announced, (("Content-Type", "application/sdp"),), body)
        else:
            self._ask("DESCRIBE", self._uri, self._on_described, (("Accept", "application/sdp"),))

    def _on_described(self, response: Response) -> None:
        if response.status != status.OK:
            self._refused("DESCRIBE", response)
            return
        self._description = parse(response.body)
        self._base = response.fields.get("Content-Base") or response.fields.get("Content-Location") or self._uri
        if "://" not in self._base:
            self._base = self._uri
        self._await_decision()
        self._emit(Described(self._description))

    def _on_announced(self, response: Response) -> None:
        if response.status // 100 != 2:
            self._refused("ANNOUNCE", response)
            return
        self._learn_session(response)
        self._await_decision()
        self._emit(Described(self._description))

    def _on_set_up(self, response: Response) -> None:
        index, wanted = self._wanted[len(self._setups)]
        if response.status // 100 != 2:
            self._on_set_up_refused(wanted, response)
            return
        self._learn_session(response)
        told = response.fields.get("Transport")
        found = transports.parse(told)[0] if told else wanted
        if found.lower is not wanted.lower:
            self._refuse_transport(f"the server chose {found.lower} by itself")
            return
        # What it leaves out is as we asked for it.
        chosen = replace(found, channels=found.channels or wanted.channels, client_ports=wanted.client_ports)
        self._setups.append(TrackSetUp(index, chosen))
        self._claim_channels(index, chosen)
        if len(self._setups) < len(self._wanted):
            self._set_up_next()
            return
        self._move(Move.SET_UP)
        self._emit(SetUpAnswered(tuple(self._setups)))
        method = "RECORD" if self._announce is not None else "PLAY"
        self._ask(method, self._aggregate(), self._on_started, (("Range", "npt=0.000-"),))

    def _on_set_up_refused(self, wanted: Transport, response: Response) -> None:
        """Anything but a no to the stream itself may be meant for the transport: devices answer 400, 455, 461, 500."""
        final = response.status in {status.UNAUTHORISED, status.FORBIDDEN, status.NOT_FOUND}
        if final or (wanted.lower is Lower.TCP and response.status != status.UNSUPPORTED_TRANSPORT):
            self._refused("SETUP", response)
            return
        self._refuse_transport(f"SETUP was answered {response.status} {response.reason}".rstrip())

    def _refuse_transport(self, detail: str) -> None:
        if self._announce is None:
            self._session = ""
        self._await_decision()
        self._emit(TransportRefused(detail))

    def _on_started(self, response: Response) -> None:
        if response.status // 100 != 2:
            self._refused("RECORD" if self._announce is not None else "PLAY", response)
            return
        self._move(Move.RECORD if self._announce is not None else Move.PLAY)
        self._keep_alive()
        self._emit(Started())

    def _on_alive(self, response: Response) -> None:
        if response.status == status.SESSION_NOT_FOUND:
            self._hang_up("the session was lost", Refused(status.meaning(response.status), "the session was lost"))
        elif response.status in {status.NOT_IMPLEMENTED, 405}:
            self._methods -= {"GET_PARAMETER"}

    def _learn_session(self, response: Response) -> None:
        """The session's id, and how long it lives without a word (§12.37); written with spaces or without."""
        number, *parameters = [part.strip() for part in response.fields.get("Session").split(";")]
        self._session = number or self._session
        for parameter in parameters:
            name, _, seconds = parameter.partition("=")
            if name.strip().lower() == "timeout" and seconds.strip().isdecimal() and len(seconds) < 8:
                self._timeout = max(int(seconds), 1) * _SECOND


_ANSWERED = frozenset({"OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "TEARDOWN", "ANNOUNCE"})
