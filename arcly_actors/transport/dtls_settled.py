"""What is left of a DTLS association once its peer has the keys: some 300 bytes, where OpenSSL holds 74 kB.

When something came that SRTP's keys protect, the peer has finished the handshake, and no flight of ours is wanted again.
All that may follow is a goodbye, in either direction. For that the record keys do (RFC 5246 §6.3), and OpenSSL's
association, which keeps the buffers of a handshake for as long as it lives, can go.
"""

from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls import DtlsServer, DtlsState
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_wire import ALERT, CLOSE_NOTIFY, FATAL, WARNING, Direction, Record

_FIRST = 1 << 48 | 1 << 32
"""The number of our first record: no handshake has had so many. OpenSSL's nonces begin at a random one of 2^64."""


class SettledDtls:
    """The face of `DtlsServer` from CONNECTED on."""

    __slots__ = ("_number", "_ours", "_out", "_theirs", "failure", "material", "profile", "state")

    active = False

    def __init__(self, association: DtlsServer, master: bytes, client: bytes, server: bytes) -> None:
        """`master` is the association's secret, `client` and `server` are the randoms of the two hellos."""
        block = wire.expand(master, b"key expansion", server + client, 40)
        self._theirs, self._ours = (block[:16], block[32:36]), (block[16:32], block[36:40])
        self._number = _FIRST
        self._out: list[bytes] = []
        self.profile = association.profile
        self.material = b""
        self.failure = ""
        self.state = DtlsState.CONNECTED

    def start(self) -> None:
        """Nothing."""

    def receive(self, datagram: bytes) -> None:
        """Take a datagram from the peer: only an authentic goodbye counts (RFC 5246 §7.2)."""
        for record in wire.records(datagram):
            if self.state is DtlsState.CONNECTED and record.kind == ALERT and record.epoch == 1:
                opened = Direction(*self._theirs).open(record)
                if opened is not None and len(opened.body) == 2:
                    self._alerted(*opened.body)

    def wake(self) -> None:
        """Nothing is repeated any more."""

    def wake_in(self) -> int | None:
        """Never."""
        return None

    def close(self) -> None:
        """Say close_notify, once."""
        if self.state is DtlsState.CONNECTED:
            record = Record(ALERT, self._number, bytes((WARNING, CLOSE_NOTIFY)))
            self._number += 1
            self._out.append(wire.write_record(Direction(*self._ours).seal(record)))
            self.state = DtlsState.CLOSED

    def take(self) -> list[bytes]:
        """The datagrams to send now."""
        out, self._out = self._out, []
        return out

    def _alerted(self, level: int, reason: int) -> None:
        if reason == CLOSE_NOTIFY:
            self.close()  # §7.2.1: answered in kind
        elif level == FATAL:
            self.state, self.failure = DtlsState.FAILED, f"the peer gave up (alert {reason})"


Association = DtlsServer | DtlsClient | SettledDtls


def settled(association: Association) -> Association:
    """What may take its place: the peer of this connected association has shown that it has the keys."""
    if not isinstance(association, DtlsServer):
        return association
    secrets = association.secrets()
    return association if secrets is None else SettledDtls(association, *secrets)
