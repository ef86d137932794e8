"""Which m-line and layer a packet belongs to."""

from arcly_actors import limits
from arcly_actors.protocols.rtp.demux import Demux, MediaLine, Route
from arcly_actors.protocols.rtp.extensions import ExtensionMap, ExtensionUri
from arcly_actors.protocols.rtp.packet import RtpPacket

MAP = ExtensionMap({ExtensionUri.MID: 1, ExtensionUri.RID: 2, ExtensionUri.REPAIRED_RID: 3})
AUDIO = MediaLine("0", frozenset({111}))
VIDEO = MediaLine("1", frozenset({96, 98}), {97: 96})
SECOND = MediaLine("2", frozenset({96, 98}), {97: 96})


def packet(ssrc: int, payload_type: int, **named: str) -> RtpPacket:
    ids = {"mid": 1, "rid": 2, "repaired": 3}
    return RtpPacket(
        payload_type, 0, 0, ssrc, b"x", extensions=tuple((ids[key], value.encode()) for key, value in named.items())
    )


def test_a_payload_type_of_one_line_is_enough() -> None:
    demux = Demux([AUDIO, VIDEO], MAP)
    assert demux.route(packet(1, 111)) == Route("0")
    assert demux.route(packet(2, 96)) == Route("1")
    assert demux.route(packet(3, 97)) == Route("1", repair=True)
    assert demux.ssrcs("1") == (2,)


def test_a_mid_binds_the_ssrc() -> None:
    demux = Demux([AUDIO, VIDEO, SECOND], MAP)
    assert demux.route(packet(5, 96)) is None
    assert demux.route(packet(5, 96, mid="2")) == Route("2")
    assert demux.route(packet(5, 98)) == Route("2")
    assert demux.route(packet(5, 111)) is None
    assert demux.unknown == 1


def test_layers_and_their_retransmissions() -> None:
    demux = Demux([AUDIO, VIDEO], MAP)
    assert demux.route(packet(5, 96, mid="1", rid="hi")) == Route("1", "hi")
    assert demux.route(packet(6, 96, mid="1", rid="lo")) == Route("1", "lo")
    assert demux.route(packet(7, 97, mid="1", repaired="lo")) == Route("1", "lo", repair=True)
    assert demux.route(packet(5, 96)) == Route("1", "hi")
    assert demux.route(packet(6, 96, mid="1")) == Route("1", "lo")
    assert demux.ssrcs("1", "lo") == (6,)


def test_a_rid_without_a_mid_takes_the_only_line() -> None:
    assert Demux([AUDIO, VIDEO], MAP).route(packet(5, 96, rid="hi")) == Route("1", "hi")


def test_ssrcs_of_the_sdp_are_known() -> None:
    line = MediaLine("2", frozenset({96}), {97: 96}, (40,), (41,))
    demux = Demux([VIDEO, line], MAP)
    assert demux.route(packet(40, 96)) == Route("2")
    assert demux.route(packet(41, 97)) == Route("2", repair=True)
    assert demux.route(packet(41, 96)) is None
    demux.forget(40)
    assert demux.route(packet(40, 96)) is None


def test_unknown_lines_and_texts_bind_nothing() -> None:
    demux = Demux([VIDEO, SECOND], MAP)
    assert demux.route(packet(1, 96, mid="9")) is None
    assert demux.route(RtpPacket(96, 0, 0, 1, b"", extensions=((1, b"\xff"),))) is None
    assert demux.unknown == 2


def test_the_table_is_bounded() -> None:
    demux = Demux([VIDEO], MAP)
    assert all(demux.route(packet(ssrc, 96)) == Route("1") for ssrc in range(10 * limits.RTP_SOURCES))
    assert len(demux.ssrcs("1")) == limits.RTP_SOURCES


def test_of_too_many_sources_the_silent_ones_are_forgotten() -> None:
    """Two lines with the same payload types: whoever is forgotten and says no mid is unknown."""
    demux = Demux([VIDEO, SECOND], MAP)
    assert demux.route(packet(1, 96, mid="2")) == Route("2")
    assert demux.route(packet(2, 96, mid="1")) == Route("1")
    for ssrc in range(100, 100 + 3 * limits.RTP_SOURCES):
        demux.route(packet(ssrc, 96, mid="1"))
        assert demux.route(packet(1, 96)) == Route("2")
    assert demux.route(packet(2, 96)) is None
    assert demux.route(packet(5, 96, mid="1")) == Route("1")
