"""Elementary streams in the forms that FFmpeg does not write: frames over PES packets, parts, cells, trims."""

from collections import Counter

import pytest

from arcly_actors.media import aac
from arcly_actors.media.codec import CodecId
from arcly_actors.media.mpegts.data import Metadata
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.kinds import Carriage, StreamKind, kind_of, read_descriptors
from arcly_actors.media.mpegts.latm import LatmReader
from arcly_actors.media.mpegts.pictures import Pictures
from arcly_actors.media.mpegts.sound import Sound
from arcly_actors.media.mpegts.splice import at_time, splice_time
from arcly_actors.media.mpegts.tables import ElementaryStream
from tests.support.transport_streams import media, read, recorded

MS = 90
IDR = b"\x00\x00\x00\x01\x65" + bytes(range(1, 200)) * 400
ASC = aac.read_configuration(aac.write_configuration(48_000, 2))


def unit(
    codec: CodecId, payload: bytes, pts: int | None, *, now: int = 0, lost: bool = False, bounded: bool = True
) -> Unit:
    stream = ElementaryStream(0x100, 0, StreamKind(codec, Carriage.WHOLE))
    return Unit(1, stream, payload, pts, pts, now, lost=lost, bounded=bounded)


def adts(count: int, size: int = 300) -> bytes:
    return b"".join(aac.write_adts(ASC, size) + bytes((number,)) * size for number in range(count))


@pytest.mark.parametrize("cut", [1, 5, 306, 307, 308, 1000])
def test_sound_goes_on_over_pes_packets(cut: int) -> None:
    counts: Counter[str] = Counter()
    sound, data = Sound(Carriage.ADTS, 0, counts), adts(6)
    pieces = sound.push(unit(CodecId.AAC, data[:cut], 9000))
    # The PTS of the second packet is that of the first frame that begins in it.
    begins = -(-cut // 307)
    pieces += sound.push(unit(CodecId.AAC, data[cut:], 9000 + begins * 1920))
    assert [piece.payload[0] for piece in pieces] == list(range(6))
    expected = [100_000_000 + number * 64_000_000 / 3 for number in range(6)]
    assert all(abs(piece.pts - at) < 10 for piece, at in zip(pieces, expected, strict=True))
    assert counts == {}


def test_half_a_frame_is_not_glued_to_what_comes_after_a_loss() -> None:
    counts: Counter[str] = Counter()
    sound, data = Sound(Carriage.ADTS, 0, counts), adts(3)
    assert len(sound.push(unit(CodecId.AAC, data[:400], 0))) == 1
    pieces = sound.push(unit(CodecId.AAC, data, 90_000, lost=True))
    assert (pieces[0].payload[0], pieces[0].pts, len(pieces)) == (0, 1_000_000_000, 3)


def test_noise_between_frames_is_passed_over() -> None:
    counts: Counter[str] = Counter()
    sound = Sound(Carriage.ADTS, 0, counts)
    pieces = sound.push(unit(CodecId.AAC, b"noise" + adts(2) + b"\xff\x00" + adts(1), 0))
    assert len(pieces) == 3
    assert counts["unreadable"] >= 2


def test_a_flood_of_sync_words_costs_a_bounded_number_of_tries() -> None:
    counts: Counter[str] = Counter()
    assert Sound(Carriage.ADTS, 0, counts).push(unit(CodecId.AAC, b"\xff" * 1_000_000, 0)) == []
    assert counts["unreadable"] == 64


def test_a_picture_over_several_pes_packets_is_one() -> None:
    counts: Counter[str] = Counter()
    pictures = Pictures(CodecId.H264, counts)
    first, second = IDR[:65_000], IDR[65_000:]
    assert pictures.push(unit(CodecId.H264, first, 9000)) == []  # could go on
    (piece,) = pictures.push(unit(CodecId.H264, second, None))
    assert piece.payload[4:] == IDR[4:]
    assert (piece.pts, piece.keyframe) == (100_000_000, True)
    assert pictures.push(unit(CodecId.H264, first, 12_600)) == []
    (piece, other) = pictures.push(unit(CodecId.H264, IDR[:400], 16_200))  # did not
    assert (len(piece.payload), len(other.payload)) == (len(first), 400)
    assert pictures.push(unit(CodecId.H264, second, None)) == []
    assert counts == {"untimed": 1}


def test_opus_headers_with_trims_and_extensions() -> None:
    sound = Sound(Carriage.OPUS, 2, Counter())
    packet = bytes((0xFC,)) + bytes(299)  # 20 ms
    plain = b"\x7f\xe0\xff\x2d" + packet
    trimmed = b"\x7f\xf8\xff\x2d\x00\x10\x00\x20" + packet
    extended = b"\x7f\xe4\xff\x2d\x03abc" + packet
    pieces = sound.push(unit(CodecId.OPUS, plain + trimmed + extended, 0))
    assert [piece.payload for piece in pieces] == [packet] * 3
    assert [piece.pts for piece in pieces] == [0, 20_000_000, 40_000_000]


def test_metadata_cells() -> None:
    counts: Counter[str] = Counter()
    cells = Metadata(Carriage.METADATA_CELLS, counts)

    def cell(place: int, content: bytes) -> bytes:
        return bytes((0, 0, place << 6 | 0x0F)) + len(content).to_bytes(2) + content

    whole = cells.push(unit(CodecId.KLV, cell(3, b"one") + cell(3, b"two"), 9000))
    assert [(piece.payload, piece.pts) for piece in whole] == [(b"one", 100_000_000), (b"two", 100_000_000)]
    assert cells.push(unit(CodecId.KLV, cell(2, b"be"), 9000)) == []
    assert cells.push(unit(CodecId.KLV, cell(0, b"tw"), 9000)) == []
    assert [piece.payload for piece in cells.push(unit(CodecId.KLV, cell(1, b"een"), 9000))] == [b"between"]
    assert cells.push(unit(CodecId.KLV, cell(1, b"stray") + b"\x00\x00\xcf\xff\xff", 9000)) == []
    assert counts == {"unreadable": 2}


def test_metadata_without_a_time_has_the_programmes() -> None:
    (piece,) = Metadata(Carriage.WHOLE, Counter()).push(unit(CodecId.KLV, b"klv", None, now=45_000))
    assert (piece.pts, piece.dts) == (500_000_000, 500_000_000)


SPLICE = bytes.fromhex(
    "fc302f000000000000fffff014054800008f7feffe7369c02efe0052ccf500000000000a0008435545490000013562dba30a"
)
TIME_SIGNAL = bytes.fromhex(
    "fc3034000000000000fffff00506fe72bd0050001e021c435545494800008e7fcf0001a599b00808000000002ca0a18a3402009ac9d17e"
)


@pytest.mark.parametrize(("section", "ticks"), [(SPLICE, 0x07369C02E), (TIME_SIGNAL, 0x072BD0050)])
def test_splice_times(section: bytes, ticks: int) -> None:
    assert splice_time(section) == ticks
    moved = at_time(section, 12_345)
    assert splice_time(moved) == 12_345
    assert at_time(moved, ticks) == section  # the CRC, too
    for cut in range(len(section)):
        splice_time(section[:cut])
    assert splice_time(section[:4] + b"\x80" + section[5:]) is None  # encrypted


def test_latm_is_read_as_ffmpegs_decoder_reads_it() -> None:
    plain = [frame.payload for frame in media(read(recorded("h264_aac.ts")))[1] if frame.track.id == 1]
    latm = [frame.payload for frame in media(read(recorded("h264_latm.ts")))[1] if frame.track.id == 1]
    assert latm == plain  # the same encoder on the same sound


def test_latm_before_its_configuration_is_nothing() -> None:
    reader = LatmReader()
    assert reader.read(b"\x80\x00") == []
    assert reader.configuration == b""


@pytest.mark.parametrize(
    ("stream_type", "descriptors", "codec"),
    [
        (0x06, b"\x6a\x01\x00", CodecId.AC3),
        (0x06, b"\x7a\x01\x00", CodecId.EAC3),
        (0x06, b"\x05\x04KLVA", CodecId.KLV),
        (0x15, b"\x05\x04KLVA", CodecId.KLV),
        (0x15, b"\x26\x0d\xff\xffID3 \xffID3 \x00\x0f", CodecId.TIMED_METADATA),
        (0x86, b"", CodecId.SCTE35),
        (0x06, b"\x05\x04Opus\x7f\x02\x80\x06", CodecId.OPUS),
        (0x06, b"\x56\x05deu", None),
        (0x02, b"", None),
    ],
)
def test_what_a_row_of_the_pmt_is(stream_type: int, descriptors: bytes, codec: CodecId | None) -> None:
    kind = kind_of(stream_type, read_descriptors(descriptors))
    assert (kind.codec if kind else None) is codec
