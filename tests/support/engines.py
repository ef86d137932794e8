"""A scripted sans-IO engine and actors that record what they are told."""

from collections import deque
from typing import Any

import pykka

from arcly_actors.errors import Malformed
from arcly_actors.protocols.outputs import Emit, Hangup, Output, Transmit, WakeAt
from arcly_actors.runtime import LoopActor, System
from arcly_actors.transport.connection import Attach, ConnectionClosed


class LineEngine:
    """Speaks lines: ``echo X`` sends X back, ``wake N`` asks to be woken in N ns, ``bye`` hangs up, ``bad`` is a
    violation, ``flood N`` sends N bytes, ``defect`` raises; every line is an event, too."""

    def __init__(self, greeting: bytes = b"") -> None:
        self._outputs: deque[Output[str]] = deque()
        self._partial = b""
        self.over = False
        if greeting:
            self._outputs.append(Transmit(greeting))

    def receive(self, data: bytes, now: int) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if not self.over:
                self._line(line.decode(), now)

    def _line(self, line: str, now: int) -> None:
        self._outputs.append(Emit(line))
        verb, _, argument = line.partition(" ")
        if verb == "echo":
            self._outputs += [Transmit(argument.encode()), Transmit(b"\n")]
        elif verb == "flood":
            self._outputs.append(Transmit(b"x" * int(argument)))
        elif verb == "wake":
            self._outputs.append(WakeAt(now + int(argument)))
        elif verb == "bye":
            self._hang_up(Hangup("goodbye"))
        elif verb == "bad":
            self._hang_up(Hangup("violation", Malformed("no such line")))
        elif verb == "defect":
            raise RuntimeError("a defect of the engine")

    def _hang_up(self, hangup: Hangup) -> None:
        self.over = True
        self._outputs += [Transmit(b"bye\n"), hangup]

    def wake(self, now: int) -> None:
        self._outputs.append(Emit("woken"))

    def command(self, command: str, now: int) -> None:
        self._line(command, now)

    def closed(self, now: int) -> None:
        self._outputs.append(Emit("half closed"))
        self._outputs.append(Transmit(b"last words\n"))

    def poll(self) -> Output[str] | None:
        return self._outputs.popleft() if self._outputs else None


class Session(LoopActor):
    """An owner: attaches, and writes down every event; the event ``crash`` crashes it, ``done`` stops it in order."""

    def __init__(self, system: System, connection: pykka.ActorRef[Any], events: list[Any]) -> None:
        super().__init__(system)
        self._connection = connection
        self._events = events

    def on_start(self) -> None:
        self._connection.tell(Attach(self.actor_ref))

    def on_receive(self, message: Any) -> Any:
        self._events.append(message)
        if message == "crash":
            raise RuntimeError("the session crashed")
        if message == "done":
            self.stop_self("the session is done")
        if isinstance(message, ConnectionClosed):
            self.stop_self("its connection closed")


class Witness(LoopActor):
    """Watches one actor."""

    def __init__(self, system: System, watched: pykka.ActorRef[Any], exits: list[Any]) -> None:
        super().__init__(system)
        self._watched = watched
        self._exits = exits

    def on_start(self) -> None:
        self.watch(self._watched)

    def on_receive(self, message: Any) -> Any:
        self._exits.append(message)
