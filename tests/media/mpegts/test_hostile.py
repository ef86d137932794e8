"""Transport streams on hostile input: nothing raises, and work and memory stay within their bounds.

The corpus (`tests/corpora/mpegts`) is read here, too.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError, PeerViolation
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_source import TsSource
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame
from arcly_actors.media.mpegts import kinds, tables
from arcly_actors.media.mpegts.data import Metadata
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.kinds import Carriage, StreamKind
from arcly_actors.media.mpegts.latm import LatmReader
from arcly_actors.media.mpegts.muxer import TsMuxer
from arcly_actors.media.mpegts.pes import pes_size, read_pes
from arcly_actors.media.mpegts.pictures import Pictures
from arcly_actors.media.mpegts.sections import SectionAssembler, with_crc
from arcly_actors.media.mpegts.sound import Sound
from arcly_actors.media.mpegts.splice import at_time, splice_time
from arcly_actors.media.mpegts.tables import ElementaryStream
from arcly_actors.transport.feed_address import FeedAddress
from tests.support.transport_streams import DATA, PACKET, media, muxed, packets, read, recorded

CORPUS = Path(__file__).parents[2] / "corpora" / "mpegts"
FUZZ = settings(max_examples=80)
FILES = sorted(path.name for path in DATA.glob("*.ts"))
STREAMS = {name: packets(recorded(name)) for name in FILES}
SOUNDS = [Carriage.ADTS, Carriage.LATM, Carriage.MPEG_AUDIO, Carriage.AC3, Carriage.OPUS]


def check_all_is_read(data: bytes) -> None:
    """Whatever comes out can be muxed again."""
    source = TsSource(every=True)
    items = [item for at in range(0, len(data), 1316) for _, item in source.receive(data[at : at + 1316], at)]
    items += [item for _, item in source.flush(len(data))]
    tracks, frames = media(items)
    assert all(type(frame.payload) is bytes and len(frame.payload) <= limits.FRAME_BYTES for frame in frames)
    assert len(tracks) <= limits.MAX_TRACKS
    again = muxed(tracks, frames)
    assert len(again) % PACKET == 0


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.ts")), ids=lambda path: path.name)
def test_the_corpus(path: Path) -> None:
    check_all_is_read(path.read_bytes())
    assert path.stat().st_size < 200_000


@FUZZ
@given(st.binary(max_size=4000))
def test_any_bytes(data: bytes) -> None:
    check_all_is_read(data)
    check_all_is_read(b"".join(STREAMS["h264_aac.ts"][:20]) + data + b"".join(STREAMS["h264_aac.ts"][20:40]))


@FUZZ
@given(st.data(), st.sampled_from(FILES))
def test_packets_that_are_changed_lost_repeated_and_moved(draw: st.DataObject, name: str) -> None:
    stream = list(STREAMS[name])
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, len(stream) - 1))
        match draw.draw(st.sampled_from(("change", "lose", "repeat", "move", "invent"))):
            case "change":
                changed = bytearray(stream[at])
                for place in draw.draw(st.lists(st.integers(0, 30), min_size=1, max_size=6)):
                    changed[place] = draw.draw(st.integers(0, 255))
                stream[at] = bytes(changed)
            case "lose":
                del stream[at]
            case "repeat":
                stream.insert(at, stream[at])
            case "move":
                stream.insert(draw.draw(st.integers(0, len(stream))), stream.pop(at))
            case _:
                pid = draw.draw(st.sampled_from((0, 0x1000, 0x100, 0x101, 0x1FFF)))
                body = draw.draw(st.binary(max_size=184)).ljust(184, b"\xff")
                head = bytes(
                    (0x47, draw.draw(st.sampled_from((0, 0x40))) | pid >> 8, pid & 255, draw.draw(st.integers(0, 255)))
                )
                stream.insert(at, head + body)
    check_all_is_read(b"".join(stream))


@FUZZ
@given(st.lists(st.binary(max_size=400), max_size=6), st.sampled_from(SOUNDS))
def test_sound(payloads: list[bytes], carriage: Carriage) -> None:
    sound = Sound(carriage, 2, Counter())
    stream = ElementaryStream(1, 0, StreamKind(CodecId.AAC, carriage))
    for payload in payloads:
        pieces = sound.push(Unit(1, stream, payload, 0, 0, 0))
        assert len(pieces) <= limits.TS_UNITS * 64


@FUZZ
@given(st.lists(st.binary(max_size=400), max_size=6), st.sampled_from((CodecId.H264, CodecId.H265)), st.booleans())
def test_pictures_and_metadata(payloads: list[bytes], codec: CodecId, cells: bool) -> None:
    pictures, counts = Pictures(codec, Counter()), Counter[str]()
    metadata = Metadata(Carriage.METADATA_CELLS if cells else Carriage.WHOLE, counts)
    stream = ElementaryStream(1, 0, StreamKind(codec, Carriage.ANNEX_B))
    for number, payload in enumerate(payloads):
        made = Unit(1, stream, b"\x00\x00\x01" + payload, number if number % 3 else None, number, 0)
        assert len(pictures.push(made)) <= 2
        assert len(metadata.push(made._replace(payload=payload))) <= limits.TS_UNITS


@FUZZ
@given(st.binary(max_size=300))
def test_readers_end_in_a_value_or_a_violation(data: bytes) -> None:
    for reader in (tables.read_pat, tables.read_pmt):
        for section in (
            data,
            with_crc(b"\x00\xb0\x20\x00\x01\xc1\x00\x00" + data),
            with_crc(b"\x02\xb0\x20\x00\x01\xc1\x00\x00" + data),
        ):
            try:
                reader(section)
            except PeerViolation:
                continue
    for read_one in (read_pes, pes_size, LatmReader().read):
        try:
            read_one(data)
        except PeerViolation:
            continue
    kinds.kind_of(0x06, kinds.read_descriptors(data))
    splice_time(data)
    assert len(at_time(data, 1)) == len(data)


@FUZZ
@given(st.lists(st.tuples(st.binary(max_size=184), st.integers(0, 15), st.booleans()), max_size=40))
def test_sections(pieces: list[tuple[bytes, int, bool]]) -> None:
    assembler = SectionAssembler(Counter())
    for payload, counter, starts in pieces:
        assert all(len(section) <= 4096 for section in assembler.push(payload, counter, starts=starts))


@FUZZ
@given(st.lists(st.tuples(st.binary(max_size=1500), st.sampled_from(("a", "b"))), max_size=10))
def test_datagrams(datagrams: list[tuple[bytes, str]]) -> None:
    feed = TsDatagrams(every=True)
    first = b"".join(STREAMS["h264_aac.ts"][:7])
    for now, (data, source) in enumerate([(first, "a"), *datagrams]):
        feed.receive(data, source, now)
        feed.receive(b"\x80\x21" + data, source, now)
        feed.wake(now)
    assert feed.source == "a"


@FUZZ
@given(st.text(max_size=60))
def test_addresses(text: str) -> None:
    for candidate in (text, f"udp://{text}", f"udp://239.1.1.1:1?{text}"):
        try:
            assert FeedAddress.parse(candidate).port <= 65535
        except ConfigurationError:
            continue


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(list(CodecId)), st.integers(-(1 << 40), 1 << 62))
def test_any_frame_can_be_given_to_the_muxer(payload: bytes, codec: CodecId, at: int) -> None:
    tracks, frames = media(read(recorded("h264_aac.ts")))
    muxer = TsMuxer()
    other = tracks[0].__class__(9, codec, payload[:20])
    muxer.follow((*tracks, other))
    made = MediaFrame(other, at, at, payload, keyframe=True, discontinuity=bool(at & 1))
    for frame in (frames[0], made, frames[1]):
        assert len(muxer.frame(frame)) % PACKET == 0
