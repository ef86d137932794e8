"""ICE servers as a WHIP server tells them to its client: ``Link`` fields with ``rel="ice-server"`` (RFC 9725 §4.6)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.protocols.webrtc.resource import IceServer

_PORTS = {"turn": 3478, "turns": 5349}


@dataclass(frozen=True, slots=True)
class TurnServer:
    """A TURN server (RFC 7065): `transport` is udp or tcp, `secure` with TLS."""

    host: str
    port: int
    username: str
    credential: str
    transport: str = "udp"
    secure: bool = False


def read_links(values: Iterable[str]) -> tuple[IceServer, ...]:
    """The ICE servers in the values of Link fields (RFC 8288 §3). What is none, or no link at all, is passed over."""
    found: list[IceServer] = []
    for value in values:
        for link in _split(value, ","):
            server = _server(link)
            if server is not None and len(found) < limits.ICE_SERVERS:
                found.append(server)
    return tuple(found)


def turn_servers(servers: Iterable[IceServer]) -> tuple[TurnServer, ...]:
    """Those of them that relay, with a user and a credential; what cannot be read is passed over."""
    return tuple(found for each in servers if (found := _turn(each)) is not None)


def _server(link: str) -> IceServer | None:
    target, *parameters = _split(link, ";")
    if not (target.startswith("<") and target.endswith(">")):
        return None
    known: dict[str, str] = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        known.setdefault(name.strip().lower(), _unquoted(value.strip()))
    relations = known.get("rel", "").lower().split()
    if "ice-server" not in relations or known.get("credential-type", "password").lower() != "password":
        return None
    return IceServer(target[1:-1].strip(), known.get("username", ""), known.get("credential", ""))


def _turn(server: IceServer) -> TurnServer | None:
    scheme, _, rest = server.url.partition(":")
    place, _, query = rest.partition("?")
    port = _PORTS.get(scheme.lower())
    if port is None or not server.username:
        return None
    host, number = place, ""
    if place.startswith("["):
        host, _, number = place[1:].partition("]")
        number = number.removeprefix(":")
    elif ":" in place:
        host, _, number = place.partition(":")
    if number:
        if not (number.isascii() and number.isdecimal() and len(number) <= 5 and 0 < int(number) < 65536):
            return None
        port = int(number)
    secure = scheme.lower() == "turns"
    transport = "tcp" if secure else "udp"
    if query:
        name, _, transport = query.lower().partition("=")
        if name != "transport" or transport not in {"udp", "tcp"} or (secure and transport == "udp"):
            return None  # DTLS to a relay is not known to the agent
    return TurnServer(host, port, server.username, server.credential, transport, secure) if host else None


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts between separators that are neither quoted nor in angle brackets."""
    start, quoted, angled, escaped = 0, False, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif angled:
            angled = character != ">"
        elif character == '"':
            quoted = True
        elif character == "<":
            angled = True
        elif character == separator:
            yield text[start:index].strip()
            start = index + 1
    yield text[start:].strip()


def _unquoted(value: str) -> str:
    """A token, or what a quoted string says (RFC 9110 §5.6.4)."""
    if not (len(value) >= 2 and value.startswith('"') and value.endswith('"')):
        return value
    said, escaped = [], False
    for character in value[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
            continue
        escaped = False
        said.append(character)
    return "".join(said)
