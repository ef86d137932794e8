"""Applications: a stream's key without its name (``live`` of ``live/cam``), and what holds for the streams under it."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.policy import ApplicationPolicy, Conflict, GopBound, Join
from arcly_actors.egress.hls_policy import Container, HlsPolicy
from arcly_actors.errors import Refused
from arcly_actors.renditions import BFrames, RenditionPolicy, Sound
from arcly_actors.topology.section import Section
from arcly_actors.topology.values import Bytes, DurationNs, Within, duration, fault, size

RESERVED_NAMES: Final = frozenset({"api", "metrics", "healthz", "static"})
"""First path elements that the HTTP endpoint keeps for itself."""

_SEGMENT: Final = "[A-Za-z0-9_~@+=][A-Za-z0-9._~@+=-]{0,127}"
_NAME_RULE: Final = "1 to 4 segments between slashes, of letters, digits and . _ ~ @ + = -, not beginning with . or -"


def _well_formed(name: str) -> str:
    if name == "*":
        raise fault("wildcard", "there is no wildcard for applications", "name each one; any other is refused")
    try:
        StreamKey(name, "name")
    except Refused:
        raise fault("name", f"{name[:70]!r} cannot be the name of an application", _NAME_RULE) from None
    first = name.partition("/")[0]
    if first in RESERVED_NAMES:
        raise fault("reserved", f"{first!r} is taken: the HTTP endpoint serves /{first} itself", "choose another name")
    return name


ApplicationName = Annotated[
    str,
    AfterValidator(_well_formed),
    WithJsonSchema({"type": "string", "pattern": f"^{_SEGMENT}(/{_SEGMENT}){{0,3}}$", "description": _NAME_RULE}),
]
"""The name of an application. There is no wildcard: what is not named is refused."""


class GopCache(Section):
    """What is kept for a viewer that joins: from a keyframe on, up to the first bound that is met.

    A group of pictures that outgrows a bound is dropped whole.
    """

    frames: Annotated[int, Field(ge=1, le=100_000)] = Field(default=2048, description="frames, audio and video together")
    bytes: Annotated[Bytes, Within("64KiB", "1GiB")] = Field(default=size("32MiB"), description="sum of the payloads")
    duration: Annotated[DurationNs, Within("100ms", "10m")] = Field(
        default=duration("12s"), description="first frame to last"
    )


class Subscriber(Section):
    """How a viewer begins, and how far behind it may fall."""

    join: Literal["instant", "live"] = Field(
        default="instant",
        description="instant: begin with the cached group of pictures; live: wait for the next keyframe",
    )
    max_lag: Annotated[DurationNs, Within("100ms", "10m")] = Field(
        default=duration("5s"),
        description="a viewer further behind than this is disconnected; before that it skips to a keyframe",
    )


class Hls(Section):
    """Playlists and segments."""

    format: Literal["fmp4", "mpegts"] = Field(
        default="fmp4", description="fmp4 carries every codec; mpegts H.264/H.265 with AAC, MP3 or AC-3"
    )
    segment: Annotated[DurationNs, Within("500ms", "60s")] = Field(
        default=duration("2s"), description="target duration; a segment ends at the first keyframe after it"
    )
    window: Annotated[int, Field(ge=3, le=1000)] = Field(
        default=6, description="segments in the playlist (RFC 8216 §6.2.2: at least 3)"
    )
    idle: Annotated[DurationNs, Within("1s", "1h")] = Field(
        default=duration("30s"), description="segments are made while somebody asked for them within this time"
    )

    def policy(self) -> HlsPolicy:
        """The same, as the packager takes it."""
        return HlsPolicy(Container(self.format), segment_ns=self.segment, window=self.window, idle_ns=self.idle)


def _passphrase(text: str) -> str:
    least, most = limits.SRT_PASSPHRASE
    if text and not least <= len(text.encode()) <= most:
        raise fault("passphrase", f"has {len(text.encode())} bytes", f"SRT takes {least} to {most}")
    return text


class SrtSecurity(Section):
    """Encryption of SRT, for publishers and viewers alike."""

    passphrase: Annotated[str, AfterValidator(_passphrase)] = Field(
        default="",
        description="10 to 80 bytes; with it unencrypted callers are refused, without it encrypted ones",
        repr=False,
    )
    pbkeylen: Literal[16, 24, 32] = Field(
        default=16, description="bytes of the AES key that we make (callers make their own): 16, 24 or 32"
    )


class Application(Section):
    """What holds for every stream under one application name."""

    gop_cache: GopCache = Field(default=GopCache(), description="what a joining viewer gets at once")
    hold: Annotated[DurationNs, Within("0s", "1h")] = Field(
        default=duration("10s"),
        description="after the publisher left, viewers wait this long for one to come back; 0s: they do not",
    )
    on_conflict: Literal["reject", "takeover"] = Field(
        default="reject",
        description="a second publisher on a live stream: reject refuses it, takeover puts it in the first one's place",
    )
    idle_timeout: Annotated[DurationNs, Within("1s", "1h")] = Field(
        default=duration("30s"), description="a publisher that sends no media for this long is disconnected"
    )
    subscriber: Subscriber = Field(default=Subscriber(), description="how viewers join and lag")
    hls: Hls = Field(default=Hls(), description="playlists and segments")
    srt: SrtSecurity = Field(default=SrtSecurity(), description="encryption of SRT")
    audio: Literal["transcode", "passthrough"] = Field(
        default="transcode",
        description="sound that an output's players do not know: transcode makes Opus of it for WebRTC and AAC for RTMP, "
        "HTTP-FLV and HLS; passthrough leaves it as it is",
    )
    bframes: Literal["drop", "transcode", "refuse"] = Field(
        default="drop",
        description="H.264 B-frames, which WebRTC players cannot show: drop leaves them out (and transcodes where others "
        "need them); transcode always does; refuse turns the viewer away",
    )
    flush_interval: Annotated[DurationNs, Within("0s", "1s")] = Field(
        default=duration("95ms"),
        description="most latency that is added so that one write serves many frames; few viewers never wait. "
        "0s: nobody waits",
    )

    def policy(self, *, packaged: bool) -> ApplicationPolicy:
        """The same, as the bus takes it; `packaged`: streams may be asked for as HLS, which begins in the past."""
        return ApplicationPolicy(
            gop=GopBound(self.gop_cache.frames, self.gop_cache.bytes, self.gop_cache.duration),
            hold_ns=self.hold,
            idle_ns=self.idle_timeout,
            on_conflict=Conflict(self.on_conflict),
            join=Join(self.subscriber.join),
            max_lag_ns=self.subscriber.max_lag,
            unwatched_ns=limits.UNWATCHED_HISTORY if packaged else 0,
            flush_interval_ns=self.flush_interval,
        )

    def renditions(self) -> RenditionPolicy:
        """What holds for its streams' renditions."""
        return RenditionPolicy(BFrames(self.bframes), Sound(self.audio))
