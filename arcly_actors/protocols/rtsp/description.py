"""Session descriptions as RTSP has them (RFC 2326 appendix C): the media that a peer announces or that we serve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp.payload.aac import AacForm
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.sdp import Section, attribute_lines, find, read_sections
from arcly_actors.protocols.rtsp import parameters

_DYNAMIC = 96
_CODECS = MappingProxyType(
    {
        **{(codec.kind, form.name.upper()): codec for codec, form in FORMATS.items()},
        (Kind.VIDEO, "HEVC"): CodecId.H265,
        (Kind.VIDEO, "H264-SVC"): CodecId.H264,
        (Kind.AUDIO, "G722-64"): CodecId.G722,
    }
)
# RFC 3551 §6: what a static payload type means without an rtpmap, as (name, clock, channels).
_STATIC = MappingProxyType({0: ("PCMU", 8000, 1), 8: ("PCMA", 8000, 1), 9: ("G722", 8000, 1), 14: ("MPA", 90000, 2)})


@dataclass(frozen=True, slots=True)
class Medium:
    """One m-line. `track` is None for a codec that nobody here carries, which `name` names.

    `rate` is the RTP clock in ticks per second, `control` the attribute as it stands; `form` is for AAC.
    """

    index: int
    kind: str
    payload_type: int
    name: str
    rate: int
    control: str
    track: Track | None = None
    form: AacForm | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """The media in order, and the session's own control attribute (empty without one)."""

    media: tuple[Medium, ...]
    control: str = ""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks that can be carried."""
        return tuple(medium.track for medium in self.media if medium.track is not None)


def parse(body: bytes) -> Description:
    """Read a description; what is missing is made up for, lines that are none are left out.

    `Malformed` when nothing of it describes a medium, `PeerLimit` past a bound of `limits`.
    """
    text = body.decode("utf-8", "replace")
    if len(text) > limits.SDP_CHARACTERS:
        raise PeerLimit(f"a description of more than {limits.SDP_CHARACTERS} characters", code=413)
    lines = text.replace("\r", "\n").split("\n")
    if len(lines) > limits.SDP_LINES:
        raise PeerLimit(f"a description of more than {limits.SDP_LINES} lines", code=413)
    stripped = (line.strip() for line in lines)
    pairs = [(line[0], line[2:].strip()) for line in stripped if line[1:2] == "="]
    attributes, sections = read_sections(pairs)
    if not sections:
        raise Malformed("a description without media", code=400)
    if len(sections) > limits.MAX_TRACKS:
        raise PeerLimit(f"more than {limits.MAX_TRACKS} media", code=400)
    return Description(tuple(_medium(*each) for each in enumerate(sections)), find(attributes, "control") or "")


def write(tracks: Sequence[Track], name: str) -> tuple[bytes, Description]:
    """The description of what we serve, and the same as a value; tracks that RTP cannot carry are left out."""
    media = tuple(_served(index, track) for index, track in enumerate(carried(tracks)))
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", f"s={name or '-'}", "c=IN IP4 0.0.0.0", "t=0 0", "a=range:npt=now-"]
    lines.append("a=control:*")
    for medium in media:
        lines += _section_lines(medium)
    return "\r\n".join([*lines, ""]).encode(), Description(media, "*")


def announcement(tracks: Sequence[Track], host: str) -> tuple[bytes, Description]:
    """The description that a client ANNOUNCEs to a server at `host`."""
    body, description = write(tracks, "")
    family = "IP6" if ":" in host else "IP4"
    address = host if ":" in host or host.replace(".", "").isdigit() else "0.0.0.0"  # noqa: S104 - not bound to
    return body.replace(b"c=IN IP4 0.0.0.0", f"c=IN {family} {address}".encode()), description


def carried(tracks: Iterable[Track]) -> list[Track]:
    """Those that have a payload format."""
    return [track for track in tracks if track.codec in FORMATS]


def clock_rate(track: Track) -> int:
    """The ticks per second of a track's RTP clock."""
    if track.codec in {CodecId.PCMU, CodecId.PCMA}:  # 8 kHz by the table, and by other devices what they sample with
        return track.sample_rate or 8000
    return FORMATS[track.codec].rate or track.sample_rate or 48000


def _medium(index: int, section: Section) -> Medium:
    number = section.formats[0]
    payload_type = int(number) if number.isascii() and number.isdecimal() and int(number) < 128 else -1
    name, rate, channels = _mapping(section, payload_type)
    medium = Medium(index, section.kind, payload_type, name, rate, section.find("control") or "")
    try:
        kind = Kind(section.kind)
    except ValueError:
        return medium
    codec = _CODECS.get((kind, name.upper()))
    if codec is None or payload_type < 0 or not rate:
        return medium
    return _with_track(medium, codec, channels, _fmtp(section, payload_type))


def _with_track(medium: Medium, codec: CodecId, channels: int, told: dict[str, str]) -> Medium:
    """The medium with its track. A configuration that is told wrongly is waited for in the stream, where it can be."""
    sampled = codec.kind is Kind.AUDIO and codec not in {CodecId.OPUS, CodecId.MP3}
    rate, count = (medium.rate, max(channels, 1)) if sampled else (0, 0)
    track = Track(medium.index, codec, sample_rate=rate, channels=count)
    form = None
    try:
        if codec is CodecId.AAC:
            form = parameters.aac_form(told)
        track = describe(replace(track, configuration=parameters.configuration(codec, told, medium.rate, channels)))
    except PeerViolation:
        if codec is CodecId.AAC:
            return medium
    return replace(medium, track=track, form=form)


def _mapping(section: Section, payload_type: int) -> tuple[str, int, int]:
    """Encoding name, clock and channels, by the rtpmap of this payload type, or of any when there is only one."""
    found = [line.partition(" ") for line in section.every("rtpmap")]
    mine = next((rest for number, _, rest in found if number == str(payload_type)), None)
    if mine is None and payload_type in _STATIC:
        return _STATIC[payload_type]
    if mine is None:
        mine = found[0][2] if len(found) == 1 else ""
    name, rate, channels = [*mine.strip().split("/"), "", "", ""][:3]
    return name.strip(), _small(rate), _small(channels)


def _fmtp(section: Section, payload_type: int) -> dict[str, str]:
    found = [line.partition(" ") for line in section.every("fmtp")]
    mine = [rest for number, _, rest in found if number == str(payload_type)]
    return parameters.read_fmtp((mine or [rest for _, _, rest in found] or [""])[0])


def _small(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0


def _served(index: int, track: Track) -> Medium:
    form = FORMATS[track.codec]
    rate = clock_rate(track)
    plain = form.static is not None and (track.codec is CodecId.MP3 or (rate == 8000 and track.channels <= 1))
    payload_type = form.static if plain and form.static is not None else _DYNAMIC + index
    return Medium(index, track.kind, payload_type, form.name, rate, f"trackID={index}", track)


def _section_lines(medium: Medium) -> list[str]:
    track = medium.track
    assert track is not None
    channels = f"/{track.channels or 1}" if track.kind is Kind.AUDIO and track.codec is not CodecId.MP3 else ""
    if track.codec is CodecId.OPUS:
        channels = "/2"  # always (RFC 7587 §7)
    told = parameters.write_fmtp(track)
    attributes = [("rtpmap", f"{medium.payload_type} {medium.name}/{medium.rate}{channels}")]
    if told:
        attributes.append(("fmtp", f"{medium.payload_type} {told}"))
    attributes.append(("control", medium.control))
    return [f"m={medium.kind} 0 RTP/AVP {medium.payload_type}", *attribute_lines(tuple(attributes))]
