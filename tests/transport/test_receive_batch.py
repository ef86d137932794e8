"""Reading what waits in a UDP socket: together (recvmmsg) and one by one, which have to be the same."""

import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from arcly_actors import limits
from arcly_actors.transport import receive_batch
from arcly_actors.transport.receive_batch import Arrived, Deliver, OneByOne, ReceiveBatch, TakeAll
from arcly_actors.transport.udp_socket import UDP_SEGMENT

Read = Callable[[socket.socket, int, Deliver, Counter[str]], int]
ReadAll = Callable[[socket.socket, int, TakeAll, Counter[str]], int]
Got = tuple[bytes, tuple[object, ...], bytes]
LINUX = sys.platform.startswith("linux")


@pytest.fixture(params=["together", "one by one"])
def read(request: pytest.FixtureRequest) -> Read:
    if request.param == "one by one":
        return singly(OneByOne().read)
    if not LINUX:
        pytest.skip("there is no recvmmsg")
    return singly(ReceiveBatch().read)


def singly(read_all: ReadAll) -> Read:
    """The same with a function that is given each datagram by itself."""

    def read(opened: socket.socket, most: int, deliver: Deliver, dropped: Counter[str]) -> int:
        def take(arrived: Sequence[Arrived]) -> None:
            for each in arrived:
                deliver(*each)

        return read_all(opened, most, take, dropped)

    return read


@pytest.fixture
def sockets() -> Iterator[Callable[[str], socket.socket]]:
    with ExitStack() as stack:

        def opened(host: str) -> socket.socket:
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            stack.enter_context(made)
            made.setblocking(False)
            made.bind((host, 0))
            return made

        yield opened


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_come_in_order_with_the_name_of_their_sender(
    host: str, read: Read, sockets: Callable[[str], socket.socket]
) -> None:
    ours, one, other = (sockets(host) for _ in range(3))
    sent = [(one, b"a"), (other, b""), (other, b"b" * 1500), (one, bytes(9000)), (other, b"c")]
    for peer, data in sent:
        peer.sendto(data, ours.getsockname())
    got: list[Got] = []
    dropped: Counter[str] = Counter()
    assert read(ours, 64, lambda data, source, local: got.append((bytes(data), source, local)), dropped) == 5
    assert got == [(data, peer.getsockname(), b"") for peer, data in sent]
    assert read(ours, 64, lambda *_: None, dropped) == 0
    assert not dropped


def test_a_bound_leaves_the_rest_in_the_socket(read: Read, sockets: Callable[[str], socket.socket]) -> None:
    ours, peer = sockets("127.0.0.1"), sockets("127.0.0.1")
    for number in range(10):
        peer.sendto(bytes([number]), ours.getsockname())
    got: list[int] = []
    assert read(ours, 4, lambda data, *_: got.append(data[0]), Counter()) == 4
    assert read(ours, 3, lambda data, *_: got.append(data[0]), Counter()) == 3
    assert read(ours, limits.UDP_READS * 2, lambda data, *_: got.append(data[0]), Counter()) == 3
    assert got == list(range(10))


@pytest.mark.skipif(not LINUX, reason="segmented sends are Linux's")
def test_a_train_is_taken_apart_and_tells_where_it_was_sent_to(
    read: Read, sockets: Callable[[str], socket.socket]
) -> None:
    ours, peer = sockets("0.0.0.0"), sockets("127.0.0.1")
    ours.setsockopt(socket.IPPROTO_IP, receive_batch.IP_PKTINFO, 1)
    ours.setsockopt(socket.IPPROTO_UDP, receive_batch.UDP_GRO, 1)
    to = ("127.0.0.1", ours.getsockname()[1])
    peer.sendto(b"alone", to)
    train = b"a" * 1000 + b"b" * 1000 + b"c"
    peer.sendmsg([train], [(socket.IPPROTO_UDP, UDP_SEGMENT, (1000).to_bytes(2, sys.byteorder))], 0, to)
    got: list[Got] = []
    read(ours, 64, lambda data, source, local: got.append((bytes(data), source, local)), Counter())
    assert [data for data, _, _ in got] == [b"alone", b"a" * 1000, b"b" * 1000, b"c"]
    assert {local[4:8] for _, _, local in got} == {socket.inet_aton("127.0.0.1")}
    assert {source for _, source, _ in got} == {peer.getsockname()}


def test_a_reader_may_close_the_socket_and_read_another(read: Read, sockets: Callable[[str], socket.socket]) -> None:
    ours, further, peer = (sockets("127.0.0.1") for _ in range(3))
    for _ in range(3):
        peer.sendto(b"x", ours.getsockname())
    peer.sendto(b"y", further.getsockname())
    got: list[bytes] = []

    def take(data: memoryview, *_: object) -> None:
        singly(receive_batch.read)(further, 8, lambda data, *_: got.append(bytes(data)), Counter())
        got.append(bytes(data))
        ours.close()

    read(ours, limits.UDP_READS, take, Counter())
    assert got[:2] == [b"y", b"x"]
    assert set(got[2:]) <= {b"x"}


def test_what_cannot_be_delivered_is_counted(read: Read, sockets: Callable[[str], socket.socket]) -> None:
    ours = sockets("127.0.0.1")
    gone = sockets("127.0.0.1")
    ours.connect(gone.getsockname())
    gone.close()
    ours.send(b"nobody is there")  # the answer, an ICMP error, is for the next call
    dropped: Counter[str] = Counter()
    read(ours, 4, lambda *_: None, dropped)
    assert dropped == {"receive-error": 1}
