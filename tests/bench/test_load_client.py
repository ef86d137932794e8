"""Both load clients find what they have to find: a check that cannot fail proves nothing."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.clip import AUDIO, VIDEO, ClipMessage
from bench.native_tools import native
from bench.wire import amf, chunked, prepare
from tests.bench.one_viewer import OneViewer, small_clip

Client = Sequence[str | Path]


@pytest.fixture(params=["native", "python"])
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "python":
        return [sys.executable, "-m", "bench.viewers"]
    program = native("viewers")
    if program is None:
        pytest.skip("no C compiler: the load client is the Python one")
    return [program]


def wire(messages: Sequence[ClipMessage], first_index: int = 0) -> list[bytearray]:
    """The messages as a server sends them, video frames numbered from `first_index`."""
    sent, index = [chunked(2, 1, (4096).to_bytes(4, "big"))], first_index
    for message in messages:
        prepared = prepare(message, 1)
        sent.append(bytearray(prepared.ready(message.dts_ms, index, time.monotonic_ns())))
        index += prepared.stamped
    return sent


def faults(result: dict[str, dict[str, int]]) -> dict[str, int]:
    return {kind: times for kind, times in result["errors"].items() if times}


def video_at(messages: Sequence[ClipMessage], number: int) -> int:
    return [at for at, message in enumerate(messages) if message.frame and message.type == VIDEO][number]


def test_a_perfect_stream_has_no_fault(client: Client, tmp_path: Path) -> None:
    result = OneViewer(wire(small_clip())).result_of(client, tmp_path)
    assert faults(result) == {}
    assert (result["joined"], result["failed"], len(result["first_keyframe_us"])) == (1, 0, 1)
    assert result["first_error"] == ""


def test_joining_in_the_loop_is_no_fault(client: Client, tmp_path: Path) -> None:
    clip = small_clip()
    later = [message for message in clip if not message.frame or message.dts_ms >= 120]
    assert faults(OneViewer(wire(later, first_index=3)).result_of(client, tmp_path)) == {}


def test_small_chunks_and_short_headers_are_read(client: Client, tmp_path: Path) -> None:
    """Chunks of 128 bytes, fmt 1 with a delta after the first message of a chunk stream."""
    sent: list[bytearray] = []
    last: dict[int, int] = {}
    index = 0
    for message in small_clip():
        payload = bytearray(message.payload)
        if message.frame and message.type == VIDEO:
            payload = prepare(message, 1).ready(0, index, time.monotonic_ns())[12:]
            index += 1
        stream = 6 if message.type == VIDEO else 4
        whole = chunked(stream, message.type, bytes(payload), message_stream=1, chunk=128)
        if stream in last:
            whole[1:4] = (message.dts_ms - last[stream]).to_bytes(3, "big")
            whole = bytearray([0x40 | stream]) + whole[1:8] + whole[12:]
        last[stream] = message.dts_ms
        sent.append(whole)
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {}


def test_a_message_cut_into_single_bytes_is_read(client: Client, tmp_path: Path) -> None:
    everything = b"".join(wire(small_clip()))
    pieces = [everything[at : at + 1] for at in range(len(everything))]
    assert faults(OneViewer(pieces).result_of(client, tmp_path)) == {}


def test_a_missing_frame_is_found(client: Client, tmp_path: Path) -> None:
    clip, sent = small_clip(), wire(small_clip())
    del sent[1 + video_at(clip, 2)]
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {"missing": 1}


def test_a_repeated_frame_is_found(client: Client, tmp_path: Path) -> None:
    clip, sent = small_clip(), wire(small_clip())
    again = 1 + video_at(clip, 2)
    sent.insert(again, sent[again])
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {"repeated": 1}


@pytest.mark.parametrize("place", [12 + 2, 12 + 54, -1])
def test_a_changed_byte_is_found(client: Client, tmp_path: Path, place: int) -> None:
    clip, sent = small_clip(), wire(small_clip())
    sent[1 + video_at(clip, 1)][place] ^= 1
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {"mismatched": 1}


def test_a_missing_sound_is_found(client: Client, tmp_path: Path) -> None:
    clip, sent = small_clip(), wire(small_clip())
    sounds = [at for at, message in enumerate(clip) if message.frame and message.type == AUDIO]
    del sent[1 + sounds[1]]
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {"mismatched": 1}


def test_time_that_goes_back_is_found(client: Client, tmp_path: Path) -> None:
    clip, sent = small_clip(), wire(small_clip())
    sent[1 + video_at(clip, 2)][1:4] = bytes(3)
    assert faults(OneViewer(sent).result_of(client, tmp_path)) == {"backwards": 1}


def test_a_start_without_a_keyframe_is_found(client: Client, tmp_path: Path) -> None:
    clip = small_clip()
    without = [m for m in clip if not (m.frame and m.type == VIDEO and m.dts_ms == 0)]
    assert faults(OneViewer(wire(without, first_index=1)).result_of(client, tmp_path)) == {"unexpected": 1}


def test_a_refusal_is_found(client: Client, tmp_path: Path) -> None:
    status = {"level": "error", "code": "NetStream.Play.StreamNotFound"}
    refusal = bytes(chunked(5, 20, amf("onStatus", 0, None, status), message_stream=1))
    result = OneViewer([], refusal=refusal).result_of(client, tmp_path)
    assert faults(result) == {"refused": 1}
    assert result["failed"] == 1
    assert "NetStream.Play.StreamNotFound" in result["first_error"]


def test_a_hang_up_is_found(client: Client, tmp_path: Path) -> None:
    result = OneViewer(wire(small_clip()), hang_up=True).result_of(client, tmp_path)
    assert faults(result) == {"closed": 1}
    assert result["failed"] == 1


def test_pings_and_windows_are_answered(client: Client, tmp_path: Path) -> None:
    asked = [chunked(2, 5, (500).to_bytes(4, "big")), chunked(2, 4, b"\x00\x06\x01\x02\x03\x04")]
    server = OneViewer([*asked, *wire(small_clip())])
    assert faults(server.result_of(client, tmp_path)) == {}
    answers = b"".join(server.acknowledged)
    assert b"\x00\x07\x01\x02\x03\x04" in answers
    assert b"\x00\x00\x04\x03" in answers  # an acknowledgement: length 4, type 3
