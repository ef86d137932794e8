"""Forward error correction: which packets belong together, what one that is lost is made from, and what both agree on."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import ConfigurationError
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.caller import Call
from arcly_actors.protocols.srt.events import Established
from arcly_actors.protocols.srt.fec import FecReceiver, FecSender, Packet
from arcly_actors.protocols.srt.fec_plan import Arq, FecPlan, agreed
from arcly_actors.protocols.srt.packet import HEADER, HEADER_SIZE, KEY_SHIFT, MESSAGE_MASK, RETRANSMITTED, SOLO
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.statistics import Statistics
from arcly_actors.protocols.srt.target import SrtTarget
from tests.protocols.srt.test_network import stream
from tests.support.srt_network import Network, Weather

FIRST = 0x7FFF_FF00
"""Sequence numbers wrap on the way; indexes do not."""

PLANS = [
    "fec,cols:2",
    "fec,cols:10",
    "fec,cols:10,rows:5",
    "fec,cols:10,rows:5,layout:even",
    "fec,cols:4,rows:9,layout:staircase",
    "fec,cols:10,rows:-5",
    "fec,cols:3,rows:-3,layout:even",
]


def packets(count: int, seed: int = 1) -> list[Packet]:
    chance = random.Random(seed)
    return [
        Packet(FIRST + at, SOLO | chance.choice((0, 1, 2)) << KEY_SHIFT | at + 1, chance.getrandbits(32), data)
        for at in range(count)
        for data in (chance.randbytes(chance.choice((1, 188, 1316))),)
    ]


def protected(plan: FecPlan, sent: list[Packet]) -> list[list[bytes]]:
    """What goes with each packet."""
    sender = FecSender(plan, FIRST)
    return [sender.protect(packet, 77) for packet in sent]


def through(plan: FecPlan, sent: list[Packet], lost: set[int]) -> tuple[FecReceiver, list[Packet]]:
    """A receiver that all came to, but these; what it made again."""
    receiver = FecReceiver(plan, FIRST, Statistics())
    made: list[Packet] = []
    for at, (packet, more) in enumerate(zip(sent, protected(plan, sent), strict=True)):
        if at not in lost:
            made += receiver.data(packet)
        for data in more:
            sequence, word, stamp, peer = HEADER.unpack_from(data)
            assert (word, peer) == (SOLO | RETRANSMITTED, 77)
            assert sequence == packet.position & 0x7FFF_FFFF
            made += receiver.protection(packet.position, stamp, data[HEADER_SIZE:])
    return receiver, made


def check_same(made: list[Packet], sent: list[Packet]) -> None:
    by_position = {packet.position: packet for packet in sent}
    assert len({packet.position for packet in made}) == len(made)
    for packet in made:
        was = by_position[packet.position]
        assert packet.payload == was.payload
        assert packet.stamp == was.stamp
        assert packet.word & 3 << KEY_SHIFT == was.word & 3 << KEY_SHIFT
        assert packet.word & MESSAGE_MASK, "it is no packet of protection"


@pytest.mark.parametrize("text", PLANS)
def test_any_single_packet_is_made_again(text: str) -> None:
    plan, sent = FecPlan.of(text), packets(160)
    for lost in range(100):
        receiver, made = through(plan, sent, {lost})
        if plan.groups(lost):
            check_same(made, sent)
            assert [packet.position - FIRST for packet in made] == [lost]
            assert receiver._statistics.pktRcvFilterSupply == 1
        else:  # before the stairs begin
            assert not made


def test_rows_and_columns_help_each_other() -> None:
    plan, sent = FecPlan.of("fec,cols:6,rows:5,layout:even"), packets(90)
    lost = {0, 1, 6, 13, 14, 20}  # no row of these lacks one alone but the last, each column does in its turn
    _, made = through(plan, sent, lost)
    check_same(made, sent)
    assert {packet.position - FIRST for packet in made} == lost


@given(st.sampled_from(PLANS), st.sets(st.integers(0, 120), max_size=40), st.integers(0, 3))
def test_what_is_made_again_is_what_was_lost(text: str, lost: set[int], seed: int) -> None:
    sent = packets(160, seed)
    _, made = through(FecPlan.of(text), sent, lost)
    check_same(made, sent)
    assert {packet.position - FIRST for packet in made} <= lost


@pytest.mark.parametrize("text", PLANS)
def test_each_group_has_its_size_and_ends_when_it_is_protected(text: str) -> None:
    plan, count = FecPlan.of(text), 400
    found = [plan.groups(at) for at in range(count)]
    for at, groups in enumerate(found):
        for group in groups:
            assert at in group.members
            assert len(group.members) == group.size
            assert all(group in found[each] for each in group.members if each < count)
    ends = {at: len(more) for at, more in enumerate(protected(plan, packets(count))) if more}
    last = [group.last for group in set(itertools.chain(*found)) if group.last < count]
    assert ends == {at: last.count(at) for at in set(last)}


def test_where_the_stairs_are() -> None:
    """Ten columns and five rows, as libsrt's documentation draws them: columns end 11 packets apart."""
    plan = FecPlan.of("fec,cols:10,rows:5,layout:staircase")
    ends = [at for at in range(100, 160) if any(g.column >= 0 and g.last == at for g in plan.groups(at))]
    assert ends[:5] == [101, 106, 112, 117, 123]
    even = FecPlan.of("fec,cols:10,rows:5,layout:even")
    assert [at for at in range(60) if any(g.column >= 0 and g.last == at for g in even.groups(at))] == list(range(40, 50))


def test_what_comes_twice_or_late_changes_nothing() -> None:
    plan, sent = FecPlan.of("fec,cols:4"), packets(12)
    more = protected(plan, sent)
    receiver = FecReceiver(plan, FIRST, Statistics())
    assert receiver.data(sent[0]) == []
    assert receiver.data(sent[0]) == []
    (data,) = more[3]
    stamp, content = HEADER.unpack_from(data)[2], data[HEADER_SIZE:]
    assert receiver.protection(sent[3].position, stamp, content) == []
    assert receiver.protection(sent[3].position, stamp, content) == []
    assert receiver.data(sent[2]) == []
    (made,) = receiver.data(sent[3])
    assert made.payload == sent[1].payload
    assert receiver.data(sent[1]) == []
    assert receiver.hopeless(sent[9].position) is False


def test_what_is_hopeless() -> None:
    plan, sent = FecPlan.of("fec,cols:4"), packets(12)
    receiver = FecReceiver(plan, FIRST, Statistics())
    for at in (0, 3):
        receiver.data(sent[at])
    assert not receiver.hopeless(sent[1].position), "the row's protection may still come"
    receiver.data(sent[4])
    assert receiver.hopeless(sent[1].position)
    assert not receiver.hopeless(sent[5].position)


@given(
    st.sampled_from(PLANS),
    st.lists(
        st.tuples(st.integers(-5000, 20_000), st.binary(max_size=40), st.booleans(), st.sampled_from((0, 1, 255))),
        max_size=60,
    ),
)
def test_whatever_a_peer_sends_is_bounded(text: str, said: list[tuple[int, bytes, bool, int]]) -> None:
    plan = FecPlan.of(text)
    receiver = FecReceiver(plan, FIRST, Statistics())
    for at, data, is_data, column in said:
        if is_data:
            made = receiver.data(Packet(FIRST + at, SOLO | 1, 5, data))
        else:
            made = receiver.protection(FIRST + at, 9, bytes((column,)) + data)
        assert all(len(packet.payload) <= 40 for packet in made)
    assert len(receiver._come) <= len(said)
    assert len(receiver._groups) <= 2 * len(said)


def test_memory_is_that_of_two_matrices() -> None:
    plan = FecPlan.of("fec,cols:10,rows:5")
    receiver = FecReceiver(plan, FIRST, Statistics())
    for packet in packets(3000):
        receiver.data(packet)
    assert len(receiver._come) <= 120
    assert len(receiver._groups) <= 50


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xor,cols:10",
        "fec",
        "fec,cols:1",
        "fec,cols:128",
        "fec,cols:ten",
        "fec,cols:10,rows:0",
        "fec,cols:10,rows:-1",
        "fec,cols:10,rows:52",
        "fec,cols:10,layout:round",
        "fec,cols:10,arq:sometimes",
        "fec,cols:10,cols:10",
        "fec,cols:10,depth:3",
        "fec,cols:--3",
        "fec,cols:1000000000000",
    ],
)
def test_what_cannot_be_served(text: str) -> None:
    with pytest.raises(Rejected) as rejected:
        FecPlan.of(text)
    assert rejected.value.reason is Reject.FILTER


def test_each_side_may_leave_to_the_other_what_it_does_not_set() -> None:
    assert FecPlan.of("fec,cols:10") == FecPlan(10, 1, True, True, Arq.ONREQ)
    assert agreed("", "fec,cols:10,rows:5") == "fec,cols:10,rows:5"
    assert FecPlan.of(agreed("fec,cols:10,arq:never", "fec,rows:5")) == FecPlan.of("fec,cols:10,rows:5,arq:never")
    assert agreed("fec", "fec,cols:4") == "fec,cols:4"
    with pytest.raises(Rejected):
        agreed("fec,cols:10", "fec,cols:11")
    with pytest.raises(Rejected):
        agreed("fec,cols:10", "xor,cols:10")


def test_a_url_says_it() -> None:
    terms = SrtTarget.of("h", 1, "packetfilter=fec,cols:10,rows:5").terms
    assert terms.packet_filter == "fec,cols:10,rows:5"
    assert SrtTarget.of("h", 1, "packetfilter=fec").terms.packet_filter == "fec"
    for wrong in ("xor", "fec,cols:1", "fec,cols:10,more:1"):
        with pytest.raises(ConfigurationError, match="packetfilter"):
            SrtTarget.of("h", 1, f"packetfilter={wrong}")


# --- two engines ---


def call(text: str, **options: object) -> Call:
    return Call("publish:live/cam", Terms(latency=600 * NS_PER_MS, packet_filter=text, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", "correct horse battery"])
@pytest.mark.parametrize("downwards", [False, True])
def test_what_is_never_asked_for_again_arrives_all_the_same(secret: str, downwards: bool) -> None:
    network = Network(
        call("fec,cols:6,rows:5,arq:never,layout:even", passphrase=secret),
        admit=lambda _: Terms(latency=600 * NS_PER_MS, passphrase=secret),
        seed=4,
    )
    network.run(150)
    assert network.callee.of(Established)
    network.up.loss = network.down.loss = 0.02
    giver, taker = (network.callee, network.caller) if downwards else (network.caller, network.callee)
    sent = stream(network, giver, packets=480)  # sixteen whole matrices
    network.run(5000)
    gave, took = (side.engine.statistics(network.now) for side in (giver, taker))
    assert taker.payloads == sent
    assert took.pktRcvFilterSupply >= 4
    assert took.pktRcvDrop == gave.pktRetrans == took.pktSentNAK == 0
    assert gave.pktSndFilterExtra == 480 // 6 + 480 // 5
    assert took.pktRcvFilterExtra <= gave.pktSndFilterExtra


@pytest.mark.parametrize("seed", [2, 3, 4, 5])
@pytest.mark.parametrize("arq", ["onreq", "always"])
def test_what_cannot_be_made_again_is_asked_for(arq: str, seed: int) -> None:
    """In seeds in which none is lost for good, as in one of four: known to be hopeless too late, or lost again."""
    network = Network(
        call(f"fec,cols:5,rows:4,arq:{arq}"),
        admit=lambda _: Terms(latency=600 * NS_PER_MS),
        up=Weather(),
        down=Weather(),
        seed=seed,
    )
    network.run(150)
    network.up.loss, network.up.jitter = 0.15, 8
    sent = stream(network, network.caller)
    network.run(5000)
    took = network.callee.engine.statistics(network.now)
    assert network.callee.payloads == sent
    assert took.pktRcvFilterSupply > 10
    assert took.pktRcvRetrans > 0


def test_both_have_to_have_it() -> None:
    theirs = Network(call(""), admit=lambda _: Terms(packet_filter="fec,cols:10"))
    theirs.run(500)
    assert isinstance(theirs.caller.error, Rejected)
    assert theirs.caller.error.reason is Reject.FILTER
    differs = Network(call("fec,cols:11"), admit=lambda _: Terms(packet_filter="fec,cols:10"))
    differs.run(500)
    assert isinstance(differs.caller.error, Rejected)
    assert differs.caller.error.reason is Reject.FILTER


def test_the_longest_matrix_is_shorter_than_what_is_remembered_of_a_stream() -> None:
    assert 2 * limits.SRT_FEC_PACKETS < limits.SRT_WINDOW
