"""`FullIce`: the controlling side of ICE (RFC 8445) towards a server that we dial, by aioice.

Of aioice's `Connection` this changes: which addresses are bound; that a datagram is delivered in the socket's callback
instead of queued without a bound; that consent is told to who looks after the session; that what the kernel does not
take is dropped, as the network would; that sockets are closed that were being bound when it was cancelled.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aioice
from aioice import stun

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import IceCredentials

_COMPONENT = 1


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """Where the server may be reached over UDP: `kind` is host, srflx or relay, `host` an IP address."""

    foundation: str
    priority: int
    host: str
    port: int
    kind: str = "host"


@dataclass(frozen=True, slots=True)
class Relay:
    """A TURN server (RFC 8656) that may carry the packets; `secure` is TLS, `transport` udp or tcp."""

    host: str
    port: int
    username: str
    credential: str
    transport: str = "udp"
    secure: bool = False


class FullIce(aioice.Connection):
    """See the module. `deliver` gets what is no STUN; `consented` is called when the server answered a check;
    `pause` says how many seconds lie before the next one.
    """

    def __init__(
        self,
        local: IceCredentials,
        deliver: Callable[[bytes], None],
        consented: Callable[[], None],
        pause: Callable[[], float],
    ) -> None:
        super().__init__(ice_controlling=True, local_username=local.ufrag, local_password=local.pwd)
        self._deliver = deliver
        self._consented = consented
        self._pause = pause
        self._binding: set[asyncio.Task[list[aioice.Candidate]]] = set()

    async def gather(self, hosts: Sequence[str]) -> tuple[Address, ...]:
        """Bind a socket at each of these addresses; those that can be had."""
        self._local_candidates_start = True
        found = await self._bound(self.get_component_candidates(_COMPONENT, list(hosts)))
        self._local_candidates += found
        self._local_candidates_end = True
        return tuple(Address(each.host, each.port) for each in found)

    async def relay_by(self, relay: Relay) -> None:
        """Have an address at a TURN server as well; without success nothing changes."""
        self.turn_server = (relay.host, relay.port)
        self.turn_username, self.turn_password = relay.username, relay.credential
        self.turn_transport, self.turn_ssl = relay.transport, relay.secure
        within = limits.RELAY_TIMEOUT // NS_PER_S
        self._local_candidates += await self._bound(self.get_component_candidates(_COMPONENT, [], within))

    async def _bound(self, candidates: Coroutine[Any, Any, list[aioice.Candidate]]) -> list[aioice.Candidate]:
        """To its end, cancelled or not: aioice knows its sockets only then, and open ones keep a loop from its end."""
        binding = asyncio.ensure_future(candidates)
        self._binding.add(binding)
        binding.add_done_callback(self._binding.discard)
        return await asyncio.shield(binding)

    async def close(self) -> None:
        """Close all sockets, those that are being bound, too."""
        if self._binding:
            await asyncio.wait(self._binding)
        await super().close()

    async def reach(self, remote: IceCredentials, candidates: Iterable[RemoteCandidate], *, lite: bool) -> None:
        """Return when a way to the server is found and nominated; ConnectionError when all fail."""
        self.remote_username, self.remote_password = remote.ufrag, remote.pwd
        self.remote_is_lite = lite
        for each in candidates:
            known = aioice.Candidate(each.foundation, _COMPONENT, "udp", each.priority, each.host, each.port, each.kind)
            await self.add_remote_candidate(known)
        await self.add_remote_candidate(None)
        await self.connect()

    @property
    def peer(self) -> tuple[str, int] | None:
        """The server's end of the nominated pair."""
        pair = self._nominated.get(_COMPONENT)
        return pair.remote_addr if pair is not None else None

    def transmit(self, data: bytes) -> bool:
        """Send a datagram; False when it was dropped."""
        pair = self._nominated.get(_COMPONENT)
        if pair is None:
            return False
        transport: Any = pair.protocol.transport
        waiting = getattr(transport, "get_write_buffer_size", None)  # aioice's own, to a relay, has none
        if waiting is not None and waiting():
            return False
        transport.sendto(data, pair.remote_addr)
        return True

    def data_received(self, data: bytes, component: int) -> None:
        """For aioice: a datagram that is no STUN."""
        del component
        self._deliver(data)

    async def query_consent(self) -> None:
        """For aioice: ask the server again and again whether it still wants what is sent (RFC 7675 §5.1).

        What follows from no answer is up to the session.
        """
        while (pair := self._nominated.get(_COMPONENT)) is not None:
            await asyncio.sleep(self._pause())
            request = self.build_request(pair, nominate=False)
            key = (self.remote_password or "").encode()
            with suppress(stun.TransactionError):
                await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)
                self._consented()
