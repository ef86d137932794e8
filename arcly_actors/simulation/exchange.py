"""HTTP requests of simulated peers whose media goes elsewhere: WHIP's and WHEP's signalling."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from arcly_actors.simulation.link import Link
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class Reply(NamedTuple):
    """What a server answered; `fields` by their names in lower case. `status` 0: it has closed the connection instead."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class Exchange:
    """One request on a connection of its own. `answered` is called once, unless `drop` comes before."""

    def __init__(self, world: "World", address: Address, answered: Callable[[Reply], None]) -> None:
        self.link = Link(world, "http", address, self)
        self._answered: Callable[[Reply], None] | None = answered
        self._data = b""

    def ask(self, method: str, path: str, body: str = "") -> bool:
        """Connect and send it; False when nobody listens or there is no room."""
        if not self.link.open():
            return False
        head = f"{method} {path} HTTP/1.1\r\nHost: simulation\r\n"
        head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        self.link.send(f"{head}{body}".encode())
        return True

    def drop(self) -> None:
        """The connection breaks, and no answer is wanted."""
        self._answered = None
        self.link.cut()

    def received(self, data: bytes) -> None:
        """See `link.Ends`."""
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        size = int(fields.get("content-length", "0"))
        if len(body) >= size:
            self.link.close()
            self._tell(Reply(int(status.split(" ")[1]), fields, body[:size]))

    def ended(self) -> None:
        """See `link.Ends`."""
        self._tell(Reply(0, {}, b""))

    def _tell(self, reply: Reply) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(reply)
