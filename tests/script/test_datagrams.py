"""Datagrams in scripts: SRT connections, feeds and RTP over UDP, without a socket, the same way each time."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.protocols.srt.packet import CONTROL_BIT, HEADER, RETRANSMITTED, ControlType
from arcly_actors.script import Script, edit, read_file
from arcly_actors.script.record import Record
from arcly_actors.script.replay import frames_of, replay
from arcly_actors.script.sent_datagrams import without_tail

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
SRT = SCRIPTS / "ffmpeg-srt.jsonl"


def controls(records: tuple[Record, ...], kind: str = "sent") -> Counter[ControlType]:
    """SRT's control packets by their type."""
    found: Counter[ControlType] = Counter()
    for record in records:
        if record.kind == kind and record.data is not None:
            first = HEADER.unpack_from(record.data)[0]
            if first >= CONTROL_BIT:
                found[ControlType(first >> 16 & 0x7FFF)] += 1
    return found


def test_an_srt_session_is_on_the_tape_from_handshake_to_goodbye() -> None:
    script = read_file(SRT)
    said = [record.fields["what"] for record in script.records if record.kind in ("told", "asked", "event")]
    assert said[:4] == ["Asked", "PublishStarted", "Accept", "Established"]
    assert {record.fields["on"] for record in script.records if record.kind == "open"} == {"srt"}
    sent = controls(script.records)
    assert sent[ControlType.HANDSHAKE] == 4  # induction and conclusion, for the publisher and the player
    assert sent[ControlType.ACK] > 20
    assert controls(script.records, "datagram")[ControlType.SHUTDOWN] >= 1
    ((tracks, frames),) = frames_of(script).values()
    assert {track.kind for track in tracks} == {arcly.Kind.VIDEO, arcly.Kind.AUDIO}
    assert sum(frame.track.kind is arcly.Kind.VIDEO for frame in frames) > 40


def test_a_recording_of_srt_is_held_to_its_media_and_a_settled_script_to_every_bit() -> None:
    script = read_file(SRT)
    index = next(
        index
        for index, record in enumerate(script.records)
        if record.kind == "sent" and HEADER.unpack_from(record.data or b"")[0] >= CONTROL_BIT and record.at > 10**9
    )
    record = script.records[index]
    late = replace(record, data=(record.data or b"")[:8] + b"late" + (record.data or b"")[12:])
    changed = replace(script, records=(*script.records[:index], late, *script.records[index + 1 :]))
    assert replay(changed).divergence is not None
    assert replay(replace(changed, head=replace(script.head, exact=False))).divergence is None
    media = max(
        range(len(script.records)),
        key=lambda at: len(script.records[at].data or b"") * (script.records[at].kind == "sent"),
    )
    wrong = replace(script.records[media], data=bytes(len(script.records[media].data or b"")))
    changed = replace(script, records=(*script.records[:media], wrong, *script.records[media + 1 :]))
    found = replay(replace(changed, head=replace(script.head, exact=False))).divergence
    assert found is not None
    assert found.lane.startswith("what srt-2 is sent")


def test_what_had_left_when_a_peer_went_away_is_no_difference_and_an_hour_less_is() -> None:
    def sent(*sizes: int) -> list[Record]:
        return [Record(0, "out", {"who": "srt-1"}, bytes(size)) for size in sizes]

    def size(records: list[Record]) -> int:
        return sum(len(record.data or b"") for record in records)

    for ours, theirs in ((sent(1000, 188, 188), sent(1188)), (sent(1188), sent(1000, 188, 188))):
        assert [size(each) for each in without_tail(ours, theirs)] == [1188, 1188]
    assert [size(each) for each in without_tail(sent(100_000, 100_000), sent(10))] == [200_000, 10]


def faulty(script: Script, *faults: str) -> Script:
    read = [edit.read_fault(each, script.duration_ns) for each in faults]
    return replay(edit.apply(script, read, seed=3)).settled()


def test_lost_datagrams_are_asked_for() -> None:
    script = read_file(SRT)
    lossy = faulty(script, "loss 10%")
    came = [sum(record.kind == "datagram" for record in each.records) for each in (script, lossy)]
    assert 0.8 * came[0] < came[1] < came[0]
    assert controls(lossy.records)[ControlType.NAK] > controls(script.records)[ControlType.NAK]
    assert replay(lossy).divergence is None


def test_late_datagrams_overtake_each_other_and_are_put_in_order() -> None:
    script = read_file(SRT)
    late = faulty(script, "jitter 30ms")
    order = [[record.data for record in each.records if record.kind == "datagram"] for each in (script, late)]
    assert order[0] != order[1]
    assert sorted(order[0], key=repr) == sorted(order[1], key=repr)
    payloads = [[frame.payload for frame in next(iter(frames_of(each).values()))[1]] for each in (script, late)]
    assert payloads[1] == [payload for payload in payloads[0] if payload in set(payloads[1])]
    assert len(payloads[1]) > 0.8 * len(payloads[0])  # the goodbye overtakes the last ones


def test_a_peer_that_falls_silent_is_noticed() -> None:
    script = read_file(SRT)
    broken = faulty(script, "disconnect srt-1@1500ms")
    held = [record for record in broken.records if record.get("what") == "PublishHeld"]
    assert [record.at > 1_500_000_000 + 4_000_000_000 for record in held] == [True]
    assert controls(broken.records)[ControlType.SHUTDOWN] > 0
    with pytest.raises(arcly.ConfigurationError, match="srt-1 is not connected at 60 s"):
        edit.apply(script, [edit.read_fault("disconnect srt-1@60s", 1)])


def test_what_a_network_lost_is_asked_for_and_comes_again() -> None:
    script = read_file(SCRIPTS / "ffmpeg-srt-lossy.jsonl")
    assert controls(script.records)[ControlType.NAK] > 0
    assert controls(script.records, "datagram")[ControlType.NAK] > 0
    again = [
        {record.who for record in script.records if record.kind == kind and retransmitted(record.data or b"")}
        for kind in ("datagram", "sent")
    ]
    assert again == [{"srt-1"}, {"srt-2"}]


def retransmitted(data: bytes) -> bool:
    first, second, _, _ = HEADER.unpack_from(data)
    return first < CONTROL_BIT and bool(second & RETRANSMITTED)


def test_an_encrypted_session_keeps_its_keys() -> None:
    script = read_file(SCRIPTS / "ffmpeg-srt-encrypted.jsonl")
    established = [record.fields["with"] for record in script.records if record.get("what") == "Established"]
    assert [each["encrypted"] for each in established] == [True, True]
    ((_, frames),) = frames_of(script).values()
    assert len(frames) > 100


def test_rtp_over_udp_belongs_to_the_connection_that_arranged_it() -> None:
    script = read_file(SCRIPTS / "ffmpeg-rtsp-udp.jsonl")
    assert b"RTP/AVP/UDP" in b"".join(record.data or b"" for record in script.records if record.kind == "in")
    sockets = Counter(record.fields["on"] for record in script.records if record.kind == "open")
    assert sockets["rtsp"] == 2
    assert sockets["rtsp-rtp"] >= 4  # two media each, of the publisher and of the player
    sent = Counter(record.who for record in script.records if record.kind == "sent")
    assert sum(count for who, count in sent.items() if who.startswith("rtsp-rtp-")) > 100
    ((_, frames),) = frames_of(script).values()
    assert len(frames) > 150


def test_a_feed_is_on_the_tape_from_its_first_datagram_to_its_silence() -> None:
    script = read_file(SCRIPTS / "ffmpeg-mpegts.jsonl")
    happened = [record.fields["what"] for record in script.records if record.kind == "event"]
    assert happened[0] == "PublishStarted"
    assert happened[-1] == "PublishHeld"
    assert {record.who for record in script.records if record.kind == "datagram"} == {"mpegts-1"}
    lossy = faulty(script, "loss 5%")
    assert sum(record.kind == "frame" for record in lossy.records) < sum(r.kind == "frame" for r in script.records)


def test_a_slow_viewer_skips_and_is_sent_away() -> None:
    script = read_file(SCRIPTS / "slow-viewer.jsonl")
    assert any("left" in record.fields for record in script.records if record.kind == "out")
    happened = [record.fields["what"] for record in script.records if record.kind == "event"]
    assert happened.index("SubscriberLagged") < happened.index("SubscriberEvicted")
