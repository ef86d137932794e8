"""A stream's ups and downs: lost, repeated, scrambled, foreign packets; tables that change or are missing; bounds."""

from collections.abc import Iterable

import pytest

from arcly_actors import limits
from arcly_actors.media.mpegts.demuxer import TsDemuxer
from arcly_actors.media.mpegts.events import (
    ContinuityLost,
    ProgramChanged,
    ProgramEnded,
    Scrambled,
    TsEvent,
    Unit,
)
from arcly_actors.media.mpegts.packetiser import Packetiser
from arcly_actors.media.mpegts.pes import write_pes
from arcly_actors.media.mpegts.sections import with_crc
from arcly_actors.media.mpegts.tables import write_pat, write_pmt
from tests.support.transport_streams import PACKET, Studio, packets

PICTURE = b"\x00\x00\x01\x09\xf0" + bytes(range(256)) * 8


def all_of(chunks: Iterable[bytes], demuxer: TsDemuxer | None = None) -> list[TsEvent]:
    demuxer = demuxer or TsDemuxer()
    return [event for chunk in chunks for event in demuxer.feed(chunk)] + demuxer.flush()


def units(events: list[TsEvent]) -> list[Unit]:
    return [event for event in events if isinstance(event, Unit)]


def of(events: list[TsEvent], kind: type) -> list[TsEvent]:
    return [event for event in events if isinstance(event, kind)]


def test_a_unit_that_tells_its_length_comes_with_its_last_byte() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    demuxer.feed(studio.tables())
    made = studio.pes(PICTURE, 9000, pcr=0)
    assert demuxer.feed(made[:-1]) == []
    (unit,) = demuxer.feed(made[-1:])
    assert isinstance(unit, Unit)
    assert (unit.payload, unit.pts, unit.dts, unit.bounded) == (PICTURE, 9000, 9000, True)


def test_a_unit_that_does_not_comes_with_the_next_ones_first_packet() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    demuxer.feed(studio.tables())
    big = PICTURE * 40  # does not fit into the 16 bits of a PES packet's length
    assert len(big) > 0xFFFF
    assert demuxer.feed(studio.pes(big, 9000)) == []
    (unit,) = demuxer.feed(studio.pes(big, 12_600)[:PACKET])
    assert isinstance(unit, Unit)
    assert (unit.payload, unit.pts, unit.bounded) == (big, 9000, False)
    (last,) = demuxer.flush()
    assert isinstance(last, Unit)
    assert last.payload == big[: len(last.payload)]


@pytest.mark.parametrize("gone", range(1, 12))
def test_a_lost_packet_is_told_and_costs_its_unit_only(gone: int) -> None:
    studio = Studio()
    whole = packets(studio.tables() + b"".join(studio.pes(PICTURE, number * 3600) for number in range(3)))
    first, demuxer = 2, TsDemuxer()
    events = all_of(whole[: first + 11 + gone] + whole[first + 12 + gone :], demuxer)
    assert len(whole) - first == 3 * 12
    (lost,) = of(events, ContinuityLost)
    assert isinstance(lost, ContinuityLost)
    assert (lost.pid, (lost.expected + 1) & 15) == (0x100, lost.found)
    kept = [unit.pts for unit in units(events)]
    assert kept == [0, 7200]
    assert units(events)[-1].lost
    assert demuxer.counts["continuity"] == 1


def test_a_packet_that_is_sent_twice_is_taken_once() -> None:
    studio = Studio()
    whole = packets(studio.tables() + studio.pes(PICTURE, 0, pcr=0) + studio.pes(PICTURE, 3600))
    demuxer = TsDemuxer()
    events = all_of((packet for packet in whole for _ in range(2)), demuxer)
    assert [unit.payload for unit in units(events)] == [PICTURE, PICTURE]
    assert of(events, ContinuityLost) == []
    assert demuxer.counts["repeated"] == len(whole) - 2


def test_counters_may_jump_where_that_is_announced() -> None:
    studio = Studio()
    before = studio.tables() + studio.pes(PICTURE, 0)
    studio.media.clear()  # another encoder, whose counters begin at 0
    after = packets(studio.pes(PICTURE, 3600, pcr=10))
    first = bytearray(after[0])
    first[5] |= 0x80
    events = all_of([before, bytes(first), *after[1:]])
    assert of(events, ContinuityLost) == []
    assert len(units(events)) == 2


def test_a_scrambled_stream_is_told_once_and_dropped() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    clear, hidden = packets(studio.pes(PICTURE, 0)), packets(studio.pes(PICTURE, 3600))
    again = studio.pes(PICTURE, 7200)
    hidden = [packet[:3] + bytes((packet[3] | 0x80,)) + packet[4:] for packet in hidden]
    events = all_of([studio.tables(), *clear, *hidden, again], demuxer)
    assert of(events, Scrambled) == [Scrambled(1, 0x100)]
    assert [unit.pts for unit in units(events)] == [0, 7200]
    assert demuxer.counts["scrambled"] == len(hidden)


def test_packets_with_transport_errors_and_null_packets_mean_nothing() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    made = packets(studio.tables() + studio.pes(PICTURE, 0))
    null = b"\x47\x1f\xff\x10" + bytes(184)
    broken = [bytes((0x47, 0x81, 0x00, 0x13)) + b"\xaa" * 184, b"\x47\x01\x00\x30\xff" + bytes(183)]
    events = all_of([*made[:5], null, *broken, *made[5:]], demuxer)
    assert [unit.payload for unit in units(events)] == [PICTURE]
    assert demuxer.counts == {"transport-error": 2}


@pytest.mark.parametrize("junk", [b"\x47", b"G" * 100, b"\x00" * 188, b"G" * 500, bytes(range(256)) * 3])
@pytest.mark.parametrize("cut", [1, 50, 1316, 10_000])
def test_the_step_is_found_again(junk: bytes, cut: int) -> None:
    studio, demuxer = Studio(), TsDemuxer()
    made = [studio.tables() + studio.pes(PICTURE, number * 3600) for number in range(4)]
    data = made[0] + junk + b"".join(made[1:])
    events = all_of((data[at : at + cut] for at in range(0, len(data), cut)), demuxer)
    found = [unit.pts for unit in units(events)]
    assert found[0] == 0
    assert found[-2:] == [7200, 10_800]
    assert demuxer.skipped > 0 or set(junk) == {0x47}  # which begins as packets do


def test_a_table_that_changes_changes_the_streams() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    demuxer.feed(studio.tables())
    assert demuxer.feed(studio.tables()) == []  # the same again
    studio.version, studio.rows = 1, [(0x24, 0x200, b"")]
    (changed,) = demuxer.feed(studio.program_map(pcr_pid=0x200))
    assert isinstance(changed, ProgramChanged)
    assert [stream.pid for stream in changed.map.streams] == [0x200]
    assert demuxer.feed(studio.pes(PICTURE, 0)) == []  # nobody's any more
    (unit,) = demuxer.feed(studio.pes(PICTURE, 3600, pid=0x200))
    assert isinstance(unit, Unit)
    assert unit.stream.pid == 0x200


def test_a_table_that_changes_back_after_it_was_repeated_changes_the_streams_back() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    first, second = list(studio.rows), [(0x24, 0x200, b"")]
    for rows in (first, second, first, second):
        studio.rows = rows
        demuxer.feed(studio.tables())
        assert [stream.pid for stream in demuxer.programs[studio.program].streams] == [pid for _, pid, _ in rows]
        for _ in range(3):
            assert demuxer.feed(studio.tables()) == []
        (unit,) = demuxer.feed(studio.pes(PICTURE, 3600, pid=rows[0][1]))
        assert isinstance(unit, Unit)


def test_a_table_that_is_not_in_force_yet_changes_nothing() -> None:
    demuxer, pat, pmt = TsDemuxer(), Packetiser(0), Packetiser(0x1000)
    section = bytearray(write_pmt(1, 0, 0x100, [(0x1B, 0x100, b"")])[:-4])
    section[5] &= 0xFE
    assert demuxer.feed(pat.section(write_pat({1: 0x1000})) + pmt.section(with_crc(bytes(section)))) == []


def test_another_programme_takes_the_place_of_the_one_that_ended() -> None:
    one, two = Studio(program=1), Studio(program=2, pid=0x300, pmt_pid=0x1100)
    demuxer = TsDemuxer()
    demuxer.feed(one.tables() + one.pes(PICTURE, 0))
    two.pat, two.pat_version = one.pat, 1
    ended, changed, *rest = demuxer.feed(two.tables() + two.pes(PICTURE, 3600))
    assert ended == ProgramEnded(1)
    assert isinstance(changed, ProgramChanged)
    assert changed.map.program == 2
    assert [unit.program for unit in units(rest)] == [2]


def test_a_programme_shows_itself_without_a_pat() -> None:
    studio = Studio()
    events = all_of([studio.program_map(), studio.pes(PICTURE, 0)])
    assert [unit.payload for unit in units(events)] == [PICTURE]
    late = all_of([studio.program_map(), studio.pes(PICTURE, 3600), studio.tables(), studio.pes(PICTURE, 7200)])
    assert [unit.pts for unit in units(late)] == [3600, 7200]
    assert len(of(late, ProgramChanged)) == 1


def test_a_pmt_over_several_packets() -> None:
    studio = Studio()
    studio.rows += [(0x06, 0x200 + number, b"\x05\x04KLVA" + b"\x0a\x04deu\x00") for number in range(30)]
    (changed,) = of(all_of([studio.tables()]), ProgramChanged)
    assert isinstance(changed, ProgramChanged)
    assert len(changed.map.streams) == 31
    assert changed.map.streams[-1].language == "deu"


def test_a_damaged_table_is_not_believed() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    damaged = bytearray(studio.program_map())
    damaged[20] ^= 1
    assert demuxer.feed(studio.program_table() + bytes(damaged)) == []
    assert demuxer.counts["section-damaged"] == 1
    assert len(demuxer.feed(studio.program_map())) == 1


def test_memory_is_bounded() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    demuxer.feed(studio.tables())
    packetiser = studio.media.setdefault(studio.pid, Packetiser(studio.pid))
    head = write_pes(0xE0, 0x20000, 0, 0)
    body = bytes(1 << 20)
    events = [*demuxer.feed(packetiser.pes(head + body))]
    for _ in range(limits.FRAME_BYTES // len(body) + 2):
        ordinary = bytearray(packetiser.pes(body))
        ordinary[1] &= 0xBF  # a continuation
        events += demuxer.feed(bytes(ordinary))
    assert demuxer.counts["too-large"] == 1
    assert units(events) == []
    assert [unit.pts for unit in units(demuxer.feed(studio.pes(PICTURE, 3600)))] == [3600]


def test_a_wrong_pes_packet_is_counted() -> None:
    studio, demuxer = Studio(), TsDemuxer()
    packetiser = studio.media.setdefault(studio.pid, Packetiser(studio.pid))
    for data in (
        b"\x00\x00\x02" + bytes(100),
        b"\x00\x00\x01\xe0\x00\x03\x80\x00\xff",
        b"\x00\x00\x01\xe0\x00\x04\x00\x00\x00\x00",
    ):
        demuxer.feed(studio.tables() + packetiser.pes(data))
    assert demuxer.counts["no-pes"] == 3
    assert [unit.pts for unit in units(demuxer.feed(studio.pes(PICTURE, 3600)))] == [3600]
