"""What both ends of an RTSP connection have in common: reading, outputs, deadlines, interleaved channels.

`RtspServer` and `RtspClient` add their halves of the methods. The contract is that of `protocols.outputs`.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from arcly_actors.errors import ArclyError, PeerLimit, PeerViolation
from arcly_actors.protocols.outputs import Emit, Hangup, Output, Transmit, WakeAt
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.message import Interleaved, Request, Response, write_interleaved
from arcly_actors.protocols.rtsp.reader import MessageReader
from arcly_actors.protocols.rtsp.states import Move, State, moved
from arcly_actors.protocols.rtsp.transport import Transport

EventT = TypeVar("EventT")


class RtspEngine(ABC, Generic[EventT]):
    """One end of a connection; `drops` counts what was not passed on, by reason."""

    def __init__(self, bounds: RtspLimits, *, lenient: bool) -> None:
        self.drops: Counter[str] = Counter()
        self.state = State.INIT
        self._limits = bounds
        self._reader = MessageReader(bounds, lenient=lenient)
        self._outputs: deque[Output[EventT | PacketsReceived]] = deque()
        self._awaiting = False  # a decision of the session: input is held until it comes
        self._held = bytearray()
        self._channels: dict[int, tuple[int, bool]] = {}  # channel to (medium, whether it is RTCP)
        self._packets: list[Packet] = []
        self._deadline: int | None = None
        self._body_deadline: int | None = None
        self._wake_at: int | None = None
        self._now = 0

    def receive(self, data: bytes, now: int) -> None:
        """Bytes from the peer, cut anywhere; what they ask for comes out of `poll`."""
        if self.state is State.CLOSED:
            return
        self._now = now
        if self._awaiting:
            self._held += data
            if len(self._held) > self._limits.max_held_input:
                self._violated(PeerLimit(f"more than {self._limits.max_held_input} bytes before an answer"))
            return
        self._read(data)

    def wake(self, now: int) -> None:
        """A deadline may have passed."""
        self._now, self._wake_at = now, None
        if self.state is State.CLOSED:
            return
        if self._body_deadline is not None and now >= self._body_deadline:
            self._cut_body()
        if self._deadline is not None and now >= self._deadline:  # a hang-up has taken it back
            self._deadline = None
            self._on_deadline()
        self._ask_to_be_woken()

    def closed(self, now: int) -> None:
        """The peer closed its side: whatever it published or played has stopped."""
        self._now = now
        if self.state is not State.CLOSED:
            self._hang_up("the peer closed the connection", None)

    def poll(self) -> "Output[EventT | PacketsReceived] | None":
        """The next output, or None."""
        return self._outputs.popleft() if self._outputs else None

    # -- what the roles fill in

    @abstractmethod
    def _on_request(self, request: Request) -> None:
        """A request of the peer."""

    @abstractmethod
    def _on_response(self, response: Response) -> None:
        """A response of the peer."""

    @abstractmethod
    def _on_deadline(self) -> None:
        """The time set by `_set_deadline` has come."""

    @abstractmethod
    def _on_hangup(self) -> None:
        """The connection is about to end: tell the session what stops with it."""

    @abstractmethod
    def _on_violation(self, error: PeerViolation) -> None:
        """The peer broke the protocol: the last chance to tell it so."""

    # -- output

    def _write(self, data: bytes) -> None:
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, Transmit):
            self._outputs[-1] = Transmit(last.data + data)
        elif data:
            self._outputs.append(Transmit(data))

    def _emit(self, event: EventT) -> None:
        self._flush_packets()
        self._outputs.append(Emit(event))

    def _send_packets(self, packets: Iterable[Packet]) -> None:
        channels = {where: channel for channel, where in self._channels.items()}
        ready = []
        for medium, rtcp, data in packets:
            channel = channels.get((medium, rtcp))
            if channel is None or len(data) > 0xFFFF:
                self.drops["no-channel"] += 1
            else:
                ready.append(write_interleaved(channel, data))
        self._write(b"".join(ready))

    def _move(self, move: Move) -> None:
        self.state = moved(self.state, move)

    def _hang_up(self, reason: str, error: ArclyError | None) -> None:
        self._flush_packets()
        self._on_hangup()
        self._move(Move.CLOSE)
        self._deadline = self._body_deadline = None
        self._ask_to_be_woken()
        self._held.clear()
        self._outputs.append(Hangup(reason, error))

    def _violated(self, error: PeerViolation) -> None:
        self._on_violation(error)
        self._hang_up(str(error), error)

    def _set_deadline(self, after: int | None) -> None:
        """Have `_on_deadline` called in `after` ns, unless something else happens; None takes it back."""
        self._deadline = None if after is None else self._now + after
        self._ask_to_be_woken()

    def _ask_to_be_woken(self) -> None:
        at, other = self._deadline, self._body_deadline
        if at is None or (other is not None and other < at):
            at = other
        if at != self._wake_at:
            self._wake_at = at
            self._outputs.append(WakeAt(at))

    # -- input

    def _read(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            self._take_messages()
        except PeerViolation as error:
            self._violated(error)
        self._flush_packets()

    def _take_messages(self) -> None:
        while not self._awaiting and self.state is not State.CLOSED:
            self._on_frames(self._reader.frames())
            message = self._reader.next()
            if message is None:
                break
            if isinstance(message, Interleaved):
                self._on_frames((message,))
            elif isinstance(message, Request):
                self._on_request(message)
            else:
                self._on_response(message)
        if self.state is not State.CLOSED:
            waits = self._reader.waits_for_body and not self._awaiting
            self._body_deadline = self._now + self._limits.body_patience if waits else None
            self._ask_to_be_woken()

    def _cut_body(self) -> None:
        self._body_deadline = None
        try:
            message = self._reader.cut()
            if isinstance(message, Request):
                self._on_request(message)
            elif isinstance(message, Response):
                self._on_response(message)
            self._take_messages()
        except PeerViolation as error:
            self._violated(error)
        self._flush_packets()

    def _on_frames(self, frames: Iterable[tuple[int, bytes]]) -> None:
        channels, takes = self._channels, self._takes_frames()
        for channel, data in frames:
            where = channels.get(channel)
            if where is None or not takes:
                self.drops["unknown-channel" if where is None else "not-started"] += 1
            elif not self._hears(where):
                self.drops["report-too-soon"] += 1
            else:
                self._packets.append(Packet(where[0], where[1], data))

    def _takes_frames(self) -> bool:
        """Whether packets within the connection mean anything now."""
        return self.state in {State.PLAYING, State.RECORDING}

    def _hears(self, where: tuple[int, bool]) -> bool:
        """Whether a packet of this medium, RTCP or not, is worth passing on."""
        del where
        return True

    def _flush_packets(self) -> None:
        if self._packets:
            packets, self._packets = tuple(self._packets), []
            self._outputs.append(Emit(PacketsReceived(packets)))

    def _await_decision(self) -> None:
        self._awaiting = True
        self._set_deadline(None)  # how long the session thinks is not the peer's fault

    def _resume(self) -> None:
        """The session has answered: go on with what was held."""
        self._awaiting = False
        held, self._held = bytes(self._held), bytearray()
        if self.state is not State.CLOSED:
            self._read(held)

    def _claim_channels(self, medium: int, transport: Transport) -> None:
        """Have the channels of a transport belong to this medium, those that it had before no longer."""
        self._channels = {channel: where for channel, where in self._channels.items() if where[0] != medium}
        if transport.channels is not None:
            self._channels |= {channel: (medium, bool(index)) for index, channel in enumerate(transport.channels)}
