"""What both ends of an RTMP connection have in common: handshake, chunk stream, control messages, windows, deadlines.

`RtmpServer` and `RtmpClient` add their halves of the commands. The contract is that of `protocols.outputs`.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from typing import Generic, Protocol, TypeVar

from arcly_actors.errors import ArclyError, PeerLimit, PeerViolation
from arcly_actors.protocols.outputs import Emit, Hangup, Output, Transmit, WakeAt
from arcly_actors.protocols.rtmp import control
from arcly_actors.protocols.rtmp.chunk import encode
from arcly_actors.protocols.rtmp.chunk_reader import ChunkReader
from arcly_actors.protocols.rtmp.control import BandwidthLimit, UserControl, UserControlType
from arcly_actors.protocols.rtmp.limits import WINDOW_SIZE, RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.protocols.rtmp.states import CONNECTION, ConnectionMove, ConnectionState, moved

EventT = TypeVar("EventT")

# Names for what is asked with every message: a member is found through its enum at four times the cost.
_READY, _CLOSED = ConnectionState.READY, ConnectionState.CLOSED
_LAST_CONTROL = int(MessageType.PEER_BANDWIDTH)


class Handshake(Protocol):
    """Either role's handshake."""

    complete: bool
    rest: bytes

    def receive(self, data: bytes) -> bytes:
        """Take bytes, return those to answer with."""
        ...


class RtmpEngine(ABC, Generic[EventT]):
    """One end of a connection; `drops` counts the messages that were not passed on, by reason."""

    def __init__(self, handshake: Handshake, limits: RtmpLimits, max_message: int) -> None:
        self.drops: Counter[str] = Counter()
        self.state = ConnectionState.SHAKING_HANDS
        self._limits = limits
        self._handshake = handshake
        self._reader = ChunkReader(limits, max_message)
        self._outputs: deque[Output[EventT]] = deque()
        self._chunk_size = 128
        self._awaiting = False  # an answer of the session: input is held until it comes
        self._held = bytearray()
        self._deadline: int | None = None
        self._started = False
        self._now = 0
        self._received = 0
        self._acknowledged = 0
        self._peer_window = WINDOW_SIZE
        self._bandwidth = (WINDOW_SIZE, BandwidthLimit.DYNAMIC)
        self.peer_acknowledged = 0

    def receive(self, data: bytes, now: int) -> None:
        """Bytes from the peer, cut anywhere; what they ask for comes out of `poll`."""
        if self.state is _CLOSED:
            return
        self._now = now
        if not self._started:
            self._start()
        self._received += len(data)
        try:
            if self.state is _READY and not self._awaiting:
                self._reader.feed(data)
                self._read()
            else:
                self._take(data)
        except PeerViolation as error:
            self._hang_up(str(error), error)

    def wake(self, now: int) -> None:
        """A deadline may have passed; the first call, which a server asks for at once, starts the handshake's."""
        self._now = now
        if self.state is ConnectionState.CLOSED:
            return
        if not self._started:
            self._start()
        if self._deadline is not None and now >= self._deadline:
            what = "asked for anything" if self.state is ConnectionState.READY else "finished connecting"
            self._hang_up("timeout", PeerLimit(f"the peer has not {what} in time"))

    def closed(self, now: int) -> None:
        """The peer closed its side: whatever it published or played has stopped."""
        self._now = now
        if self.state is not ConnectionState.CLOSED:
            self._hang_up("the peer closed the connection", None)

    def poll(self) -> Output[EventT] | None:
        """The next output, or None."""
        return self._outputs.popleft() if self._outputs else None

    # -- what the roles fill in

    @abstractmethod
    def _on_open(self) -> None:
        """The handshake is done."""

    @abstractmethod
    def _on_message(self, message: Message) -> None:
        """A message that is no protocol control."""

    @abstractmethod
    def _on_hangup(self) -> None:
        """The connection is about to end: tell the session what stops with it."""

    def _on_user_control(self, event: UserControl) -> None:
        """A user control event other than a ping; a role overrides this for those it wants."""

    # -- output

    def transmit(self, *messages: Message) -> None:
        """Send messages; neighbours in the output become one piece."""
        self._write(b"".join([encode(message, self._chunk_size) for message in messages]))

    def emit(self, event: EventT) -> None:
        """Tell the session."""
        self._outputs.append(Emit(event))

    def _write(self, data: bytes) -> None:
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, Transmit):
            self._outputs[-1] = Transmit(last.data + data)
        elif data:
            self._outputs.append(Transmit(data))

    def _announce_chunk_size(self, size: int) -> None:
        self.transmit(control.set_chunk_size(size))
        self._chunk_size = size

    def _hang_up(self, reason: str, error: ArclyError | None) -> None:
        self._on_hangup()
        self.state = moved(CONNECTION, self.state, ConnectionMove.CLOSED)
        self._set_deadline(None)
        self._held.clear()
        self._outputs.append(Hangup(reason, error))

    def _set_deadline(self, after: int | None) -> None:
        """Hang up unless something better happens within `after` ns; None takes the deadline back."""
        at = None if after is None else self._now + after
        if at != self._deadline:
            self._deadline = at
            self._outputs.append(WakeAt(at))

    # -- input

    def _start(self) -> None:
        self._started = True
        self._set_deadline(self._limits.handshake_timeout)

    def _take(self, data: bytes) -> None:
        if self.state is ConnectionState.SHAKING_HANDS:
            self._write(self._handshake.receive(data))
            if not self._handshake.complete:
                return
            data = self._handshake.rest
            self.state = moved(CONNECTION, self.state, ConnectionMove.SHOOK_HANDS)
            self._on_open()
        if self._awaiting:
            self._held += data
            if len(self._held) > self._limits.max_held_input:
                raise PeerLimit(f"more than {self._limits.max_held_input} bytes before the answer to a request")
        else:
            self._reader.feed(data)
            self._read()

    def _read(self) -> None:
        take = self._reader.next_message
        while not self._awaiting and self.state is not _CLOSED:
            message = take()
            if message is None:
                break
            if message.type <= _LAST_CONTROL:
                self._on_control(message)
            else:
                self._on_message(message)
        if self._received - self._acknowledged >= self._peer_window and self.state is not _CLOSED:
            self._acknowledged = self._received
            self.transmit(control.acknowledgement(self._received))

    def _resume(self) -> None:
        """The session has answered: go on with what was held."""
        self._awaiting = False
        held, self._held = bytes(self._held), bytearray()
        try:
            self._reader.feed(held)
            self._read()
        except PeerViolation as error:
            self._hang_up(str(error), error)

    def _on_control(self, message: Message) -> None:
        match message.type:
            case MessageType.ACKNOWLEDGEMENT:
                self.peer_acknowledged = control.read_size(message.body)
            case MessageType.WINDOW_SIZE:
                self._peer_window = control.read_size(message.body) or WINDOW_SIZE
            case MessageType.PEER_BANDWIDTH:
                self._on_peer_bandwidth(*control.read_peer_bandwidth(message.body))
            case MessageType.USER_CONTROL:
                event = control.read_user_control(message.body)
                if event.type == UserControlType.PING_REQUEST:
                    self.transmit(control.user_control(UserControl(UserControlType.PING_RESPONSE, event.value)))
                else:
                    self._on_user_control(event)
            case _:
                self.drops["unknown-message"] += 1

    def _on_peer_bandwidth(self, size: int, limit: BandwidthLimit) -> None:
        """Answer a changed limit with our window (5.4.5). What is in flight is the transport's business, not ours."""
        own, kind = self._bandwidth
        if limit is BandwidthLimit.DYNAMIC:
            if kind is not BandwidthLimit.HARD:
                return
            limit = BandwidthLimit.HARD
        wanted = min(own, size) if limit is BandwidthLimit.SOFT else size
        self._bandwidth = (wanted, limit)
        if wanted not in (own, 0):
            self.transmit(control.window_size(wanted))
