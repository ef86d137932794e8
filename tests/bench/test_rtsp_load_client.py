"""Both load clients of RTSP find what they have to find: a check that cannot fail proves nothing."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.clip import AUDIO, VIDEO
from bench.native_tools import native
from tests.bench.rtsp_source import RtspSource, Sent, packets, small_clip

Client = Sequence[str | Path]


@pytest.fixture(params=["native", "python"])
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "python":
        return [sys.executable, "-m", "bench.rtsp.viewers"]
    program = native("rtsp_viewers")
    if program is None:
        pytest.skip("no C compiler: the load client is the Python one")
    return [program]


def flat(frames: Sequence[Sequence[Sent]]) -> list[Sent]:
    return [packet for frame in frames for packet in frame]


def faults(result: dict[str, dict[str, int]]) -> dict[str, int]:
    return {kind: times for kind, times in result["errors"].items() if times}


def pictures(frames: Sequence[list[Sent]]) -> list[list[Sent]]:
    return [frame for frame in frames if frame[0][0] == VIDEO]


def renumbered(media: Sequence[Sent]) -> list[Sent]:
    """As a server that leaves something out numbers the rest."""
    counts = {AUDIO: 0, VIDEO: 0}
    made = []
    for kind, packet in media:
        made.append((kind, packet[:2] + counts[kind].to_bytes(2) + packet[4:]))
        counts[kind] += 1
    return made


@pytest.mark.parametrize("over_udp", [False, True])
def test_a_perfect_stream_has_no_fault(client: Client, tmp_path: Path, over_udp: bool) -> None:
    source = RtspSource(flat(packets(small_clip())), over_udp=over_udp)
    result = source.result_of(client, tmp_path)
    assert faults(result) == {}, result["first_error"]
    assert (result["joined"], result["failed"], len(result["first_keyframe_us"])) == (1, 0, 1)
    assert [request.split()[0] for request in source.requests] == ["DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert "Session: 17\r" in source.requests[-1]


def test_joining_in_the_loop_is_no_fault(client: Client, tmp_path: Path) -> None:
    later = [message for message in small_clip() if not message.frame or message.dts_ms >= 120]
    assert faults(RtspSource(flat(packets(later, first_index=3))).result_of(client, tmp_path)) == {}


def test_a_stream_cut_into_small_pieces_is_read(client: Client, tmp_path: Path) -> None:
    assert faults(RtspSource(flat(packets(small_clip())), step=7).result_of(client, tmp_path)) == {}


@pytest.mark.parametrize("over_udp", [False, True])
def test_a_missing_packet_is_found(client: Client, tmp_path: Path, over_udp: bool) -> None:
    frames = packets(small_clip())
    del pictures(frames)[2][1]
    found = faults(RtspSource(flat(frames), over_udp=over_udp).result_of(client, tmp_path))
    assert found == {"missing": 1, "mismatched": 1}


def test_a_missing_picture_is_found_though_the_numbers_go_on(client: Client, tmp_path: Path) -> None:
    frames = packets(small_clip())
    pictures(frames)[2].clear()
    assert faults(RtspSource(renumbered(flat(frames))).result_of(client, tmp_path)) == {"missing": 1}


def test_a_repeated_packet_is_found(client: Client, tmp_path: Path) -> None:
    frames = packets(small_clip())
    pictures(frames)[2].insert(1, pictures(frames)[2][0])
    assert faults(RtspSource(flat(frames)).result_of(client, tmp_path)) == {"repeated": 1}


@pytest.mark.parametrize("packet", [0, 1, -1])
def test_a_changed_byte_is_found(client: Client, tmp_path: Path, packet: int) -> None:
    frames = packets(small_clip())
    kind, data = pictures(frames)[1][packet]
    pictures(frames)[1][packet] = kind, data[:-1] + bytes([data[-1] ^ 1])
    assert faults(RtspSource(flat(frames)).result_of(client, tmp_path)) == {"mismatched": 1}


def test_a_missing_sound_is_found(client: Client, tmp_path: Path) -> None:
    frames = packets(small_clip())
    [frame for frame in frames if frame[0][0] == AUDIO][1].clear()
    assert faults(RtspSource(renumbered(flat(frames))).result_of(client, tmp_path)) == {"mismatched": 1}


def test_a_start_without_a_keyframe_is_found(client: Client, tmp_path: Path) -> None:
    without = [m for m in small_clip() if not (m.frame and m.type == VIDEO and m.dts_ms == 0)]
    assert faults(RtspSource(flat(packets(without, first_index=1))).result_of(client, tmp_path)) == {"unexpected": 1}


def test_time_that_goes_back_is_found(client: Client, tmp_path: Path) -> None:
    frames = packets(small_clip())
    last = pictures(frames)[2]
    last[:] = [(kind, data[:4] + bytes(4) + data[8:]) for kind, data in last]
    assert set(faults(RtspSource(flat(frames)).result_of(client, tmp_path))) == {"backwards"}


def test_a_refusal_is_found(client: Client, tmp_path: Path) -> None:
    result = RtspSource([], refuse=True).result_of(client, tmp_path)
    assert faults(result) == {"refused": 1}
    assert result["failed"] == 1
    assert "404" in result["first_error"]


def test_a_hang_up_is_found(client: Client, tmp_path: Path) -> None:
    result = RtspSource(flat(packets(small_clip())), hang_up=True).result_of(client, tmp_path)
    assert faults(result) == {"closed": 1}
