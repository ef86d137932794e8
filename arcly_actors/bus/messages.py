"""What publishers, subscribers and streams say to each other. Requests are imperative, notices in the past tense."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pykka import ActorRef

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.place import SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame, Track

if TYPE_CHECKING:
    from arcly_actors.bus.channel import Channel
    from arcly_actors.bus.offer import Offer

Ref: TypeAlias = ActorRef[Any]
"""Any actor; which messages it takes, the text beside it says."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Claim:
    """Ask for the publish slot of `key`. `parameters` is the URL's query, kept for authorisation.

    `publisher` is told `KeyframeWanted` (when it `answers_keyframes`) and `Displaced`. `offer` is that of a configured
    source, without which nobody may publish a key that has one. `again`: it had the slot and comes back to a stream whose
    actor was restarted, so that it takes it from nobody.
    """

    key: StreamKey
    publisher: Ref
    protocol: str
    peer: str
    answers_keyframes: bool = False
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE)
    offer: "Offer | None" = field(default=None, compare=False)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The publish slot, granted: tell `stream` `Announce`, `Push` and `Release` with this `number`."""

    key: StreamKey
    number: int
    stream: Ref


@dataclass(frozen=True, slots=True)
class Announce:
    """The tracks that the publisher will send, or sends from now on."""

    lease: int
    tracks: tuple[Track, ...]
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)


class Push(NamedTuple):
    """One frame, in decoding order within its track, on the publisher's own clock."""

    lease: int
    frame: MediaFrame


@dataclass(frozen=True, slots=True)
class Release:
    """The publisher is done; the stream is held."""

    lease: int
    reason: str


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """To a publisher: viewers need a keyframe; `full_intra` asks by FIR instead of PLI."""

    key: StreamKey
    full_intra: bool


@dataclass(frozen=True, slots=True)
class Displaced:
    """To a publisher: the slot is lost (another took it over, no frames came, the stream ended)."""

    key: StreamKey
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for a seat at the stream `key`. `qos` tells, on the loop, how the viewer is doing.

    `follows`: takes what there is and is no reason to keep a source going (a push).
    """

    key: StreamKey
    subscriber: Ref
    protocol: str
    peer: str
    join: Join | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE)
    qos: Callable[[], SeatQos] | None = field(default=None, compare=False)
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A seat: read from `channel`; tell `stream` `Unsubscribe`, `RequestKeyframe` and `Report` with this `number`."""

    key: StreamKey
    number: int
    stream: Ref
    channel: "Channel"
    join: Join


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The seat is given back."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestKeyframe:
    """A viewer cannot decode until a keyframe comes."""

    number: int


@dataclass(frozen=True, slots=True)
class KeyframeUnavailable:
    """To a subscriber that asked for a keyframe: the publisher cannot make one when asked."""

    key: StreamKey


@dataclass(frozen=True, slots=True)
class ReferencesLost:
    """From a publisher: packets of its peer are lost, and nothing can be shown before a keyframe."""

    lease: int


@dataclass(frozen=True, slots=True)
class SeatLagged:
    """The seat skipped this many frames to the newest keyframe."""

    number: int
    frames: int


@dataclass(frozen=True, slots=True)
class SeatEvicted:
    """The seat's viewer was disconnected by its own egress, for this reason."""

    number: int
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class TracksChanged:
    """To a subscriber: the tracks are these from now on."""

    key: StreamKey
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class StreamHeld:
    """To a subscriber: the publisher is gone, another may come."""

    key: StreamKey


@dataclass(frozen=True, slots=True)
class StreamResumed:
    """To a subscriber: frames come again."""

    key: StreamKey


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """To a subscriber: it is over; end the viewer's session properly."""

    key: StreamKey
    detail: str


SubscriberNotice = TracksChanged | StreamHeld | StreamResumed | StreamEnded
