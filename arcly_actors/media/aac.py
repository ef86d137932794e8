"""AAC: AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) with its SBR and PS signalling, and ADTS headers (§1.A.2)."""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader
from arcly_actors.media.cursor import Cursor

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
_LC, _SBR, _PS, _ESCAPE = 2, 5, 29, 31
_GENERAL = frozenset({1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23})
_SCALABLE = frozenset({6, 20})
_RESILIENT = frozenset({17, 19, 20, 21, 22, 23})
_SBR_SYNC, _PS_SYNC = 0x2B7, 0x548


@dataclass(frozen=True, slots=True)
class AacConfiguration:
    """What an AudioSpecificConfig says.

    `object_type` is the core's (2 is LC); `core_rate` hertz is the core's rate, of which a packet holds `frame_length`
    samples per channel. `channels` and `sample_rate` are what a decoder puts out, so twice the core's with SBR and two
    with PS. `explicit` says that SBR or PS is signalled first, in the object type, rather than in the tail.
    """

    object_type: int
    core_rate: int
    sample_rate: int
    channels: int
    frame_length: int = 1024
    sbr: bool = False
    ps: bool = False
    explicit: bool = False

    @property
    def codec(self) -> str:
        """The RFC 6381 §3.3 name: ``mp4a.40.2`` for LC, ``.5`` with SBR, ``.29`` with PS."""
        kind = _PS if self.ps else _SBR if self.sbr else self.object_type
        return f"mp4a.40.{kind}"


def read_configuration(data: bytes) -> AacConfiguration:
    """Read an AudioSpecificConfig; `Malformed` when it is cut or uses a reserved value."""
    return _read(BitReader(data, "AudioSpecificConfig"))


def configuration_bits(data: bytes) -> int:
    """How many bits the AudioSpecificConfig has that `data` begins with; what follows it may be anything.

    LATM, which is made of bits, puts it among others without its length (§1.7.3). `Malformed` as `read_configuration`.
    """
    reader = BitReader(data, "AudioSpecificConfig")
    _read(reader)
    return reader.position


def _read(reader: BitReader) -> AacConfiguration:
    kind, core_rate, layout = _object_type(reader), _rate(reader), reader.bits(4)
    explicit = kind in {_SBR, _PS}
    sbr, ps, output_rate = explicit, kind == _PS, core_rate
    if explicit:
        output_rate = _rate(reader)
        kind = _object_type(reader)
    channels, frame_length = _CHANNELS.get(layout, 0), 1024
    if kind in _GENERAL:
        frame_length, channels = _general(reader, kind, layout)
    if not channels:
        raise Malformed(f"AudioSpecificConfig: channel layout {layout} of object type {kind}")
    if not explicit and reader.remaining >= 16:
        sbr, ps, output_rate = _tail(reader, core_rate)
    if ps and channels == 1:
        channels = 2
    return AacConfiguration(kind, core_rate, output_rate, channels, frame_length, sbr, ps, explicit)


def write_configuration(sample_rate: int, channels: int, object_type: int = _LC) -> bytes:
    """The AudioSpecificConfig of plain AAC; `Malformed` when no channel layout has that many channels."""
    layout = next((layout for layout, count in _CHANNELS.items() if count == channels), 0)
    if not layout or not 0 < object_type < _ESCAPE or not 0 < sample_rate < 1 << 24:
        raise Malformed(f"no AudioSpecificConfig for object type {object_type}, {sample_rate} Hz, {channels} channels")
    if sample_rate in RATES:
        return (object_type << 11 | RATES.index(sample_rate) << 7 | layout << 3).to_bytes(2)
    return (object_type << 35 | 15 << 31 | sample_rate << 7 | layout << 3).to_bytes(5)


def _object_type(reader: BitReader) -> int:
    kind = reader.bits(5)
    return 32 + reader.bits(6) if kind == _ESCAPE else kind


def _rate(reader: BitReader) -> int:
    index = reader.bits(4)
    rate = reader.bits(24) if index == 15 else RATES[index] if index < len(RATES) else 0
    if not rate:
        raise Malformed(f"AudioSpecificConfig: sampling frequency index {index}")
    return rate


def _general(reader: BitReader, kind: int, layout: int) -> tuple[int, int]:
    """GASpecificConfig (§4.4.1): the samples in a packet and the channels."""
    frame_length = 960 if reader.flag() else 1024
    if kind == 23:  # AAC-LD halves both
        frame_length //= 2
    if reader.flag():  # dependsOnCoreCoder
        reader.skip(14)
    extension = reader.flag()
    channels = _CHANNELS.get(layout, 0) if layout else _program(reader)
    if kind in _SCALABLE:
        reader.skip(3)
    if extension:
        reader.skip((16 if kind == 22 else 3 if kind in _RESILIENT else 0) + 1)
    return frame_length, channels


def _program(reader: BitReader) -> int:
    """The channels of a program_config_element (§4.4.1.1), which channel layout 0 carries in-line."""
    reader.skip(10)  # element_instance_tag, object_type, sampling_frequency_index
    front, side, back, lfe, data, coupling = (reader.bits(count) for count in (4, 4, 4, 2, 3, 4))
    for width in (4, 4, 3):  # mono mixdown, stereo mixdown, matrix mixdown
        if reader.flag():
            reader.skip(width)
    channels = lfe
    for _ in range(front + side + back):
        channels += 2 if reader.flag() else 1
        reader.skip(4)
    reader.skip(4 * (lfe + data) + 5 * coupling)
    reader.align()
    reader.skip(8 * reader.bits(8))  # comment
    return channels


def _tail(reader: BitReader, core_rate: int) -> tuple[bool, bool, int]:
    """Backward compatible signalling (§1.6.6.2): SBR, PS and the rate put out. A tail that ends early says nothing."""
    sbr, ps, rate = False, False, core_rate
    start = reader.position
    if reader.bits(11) != _SBR_SYNC:
        reader.position = start
        return sbr, ps, rate
    try:
        if _object_type(reader) == _SBR and reader.flag():
            rate = _rate(reader)
            sbr = True
            if reader.remaining >= 12 and reader.bits(11) == _PS_SYNC:
                ps = reader.flag()
    except Malformed:
        return sbr, ps, rate
    return sbr, ps, rate


ADTS_BYTES = 7


@dataclass(frozen=True, slots=True)
class AdtsHeader:
    """One ADTS header: `header_length` and `frame_length` (header included) are bytes, `blocks` raw data blocks."""

    object_type: int
    sample_rate: int
    channels: int
    header_length: int
    frame_length: int
    blocks: int = 1

    @property
    def configuration(self) -> bytes:
        """The AudioSpecificConfig that says the same."""
        return write_configuration(self.sample_rate, self.channels, self.object_type)


def read_adts(data: bytes) -> AdtsHeader:
    """Read the ADTS header at the start of `data` (at least `ADTS_BYTES`); `Malformed` when there is none."""
    head = int.from_bytes(Cursor(data, "ADTS header").take(ADTS_BYTES))
    # Widths: syncword 12, id 1, layer 2, protection_absent 1, profile 2, rate 4, private 1, channels 3, flags 4,
    # frame length 13, buffer fullness 11, blocks 2.
    if head >> 44 != 0xFFF or head >> 41 & 3:
        raise Malformed("no ADTS syncword")
    rate, layout = head >> 34 & 15, head >> 30 & 7
    header_length = 7 if head >> 40 & 1 else 9
    frame_length = head >> 13 & 0x1FFF
    if rate >= len(RATES) or layout not in _CHANNELS or frame_length < header_length:
        raise Malformed(f"ADTS: frequency index {rate}, channel layout {layout}, length {frame_length}")
    return AdtsHeader((head >> 38 & 3) + 1, RATES[rate], _CHANNELS[layout], header_length, frame_length, (head & 3) + 1)


def write_adts(configuration: AacConfiguration, size: int) -> bytes:
    """The ADTS header before a raw packet of `size` bytes (the core's rate: SBR stays implicit, as ADTS has it)."""
    core_channels = 1 if configuration.ps else configuration.channels
    layout = next((layout for layout, count in _CHANNELS.items() if count == core_channels and layout < 8), 0)
    total = size + ADTS_BYTES
    if configuration.core_rate not in RATES or not layout or total > 0x1FFF or not 0 < configuration.object_type < 5:
        raise Malformed(f"no ADTS header for {configuration} and {size} bytes")
    head = 0xFFF << 44 | 1 << 40 | (configuration.object_type - 1) << 38 | RATES.index(configuration.core_rate) << 34
    return (head | layout << 30 | total << 13 | 0x7FF << 2).to_bytes(ADTS_BYTES)
