"""ICE-lite as small as it can be, on aioice's STUN: what a port's tests give it in place of the engine above it."""

from dataclasses import dataclass

from aioice import stun

from arcly_actors.transport.dtls_srtp import IceAgent, IceCredentials


@dataclass(frozen=True, slots=True)
class StunAnswer:
    """Implements `IceAnswer`."""

    reply: bytes | None = None
    validated: bool = False
    selected: bool = False


def username(datagram: bytes) -> str:
    """USERNAME of a binding request; ValueError for anything else."""
    message = stun.parse_message(datagram)
    if message.message_class is not stun.Class.REQUEST:
        raise ValueError("not a request")
    return str(message.attributes["USERNAME"])


class StunAgent:
    """Answers requests that carry our user name and password."""

    def __init__(self, local: IceCredentials, remote: IceCredentials) -> None:
        self._local = local
        self._username = f"{local.ufrag}:{remote.ufrag}"

    def receive(self, datagram: bytes, source: tuple[str, int], now: int) -> StunAnswer:
        key = self._local.pwd.encode()
        try:
            request = stun.parse_message(datagram)
        except ValueError:
            return StunAnswer()
        if request.attributes.get("USERNAME") != self._username or not request.check_message_integrity(key):
            return StunAnswer()
        response = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
            attributes={"XOR-MAPPED-ADDRESS": source},
        )
        response.add_message_integrity(key)
        return StunAnswer(bytes(response), validated=True, selected="USE-CANDIDATE" in request.attributes)

    def again(self, datagram: bytes, source: tuple[str, int], now: int) -> bytes | None:
        return None


class StunIce:
    """See the module."""

    def agent(self, local: IceCredentials, remote: IceCredentials, now: int) -> IceAgent:
        return StunAgent(local, remote)

    def ufrag(self, datagram: bytes) -> str | None:
        try:
            return username(datagram).partition(":")[0]
        except (ValueError, KeyError):
            return None
