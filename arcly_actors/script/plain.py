"""Events, commands, tracks and publishers as the plain values of a record."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.key import StreamKey
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.script.record import digest

_SHOWN_BYTES = 64
_MOST_ITEMS = 256


def message_fields(value: Any) -> dict[str, Any]:
    """A message: ``what`` is its type, ``with`` has its fields."""
    inner = {each.name: plain(getattr(value, each.name)) for each in fields(value)} if is_dataclass(value) else {}
    return {"what": type(value).__name__, **({"with": inner} if inner else {})}


def plain(value: Any) -> Any:
    """A value that JSON has; equal values give equal ones. Long bytes are told by their digest, actors by their kind."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return str(value.value) if isinstance(value, str) else value.name
    if isinstance(value, str | StreamKey):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex() if len(value) <= _SHOWN_BYTES else {"size": len(value), "hash": digest(bytes(value))}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in list(value.items())[:_MOST_ITEMS]}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value[:_MOST_ITEMS]]
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if is_dataclass(value) and not isinstance(value, type):
        return message_fields(value)
    return type(value).__name__


def track_fields(track: Track) -> dict[str, Any]:
    """A track with its configuration."""
    values = {each.name: getattr(track, each.name) for each in fields(track)}
    return {
        **values,
        "codec": track.codec.value,
        "configuration": track.configuration.hex(),
        "metadata": dict(track.metadata),
    }


def publisher_fields(channel: Channel) -> dict[str, Any]:
    """Who publishes there: what a replay has to know of him before his tracks and frames."""
    fields: dict[str, Any] = {"seats": channel.seats} if channel.seats else {}
    holder = channel.slot.holder if channel.slot is not None else None
    if holder is not None and not holder.claim.answers_keyframes:
        fields["answers"] = False
    return fields | ({"metadata": dict(channel.metadata)} if channel.metadata else {})


def frame_fields(frame: MediaFrame, now: int) -> dict[str, Any]:
    """A frame that is passed on `now`, but for its payload."""
    fields: dict[str, Any] = {"track": frame.track.id, "pts": frame.pts, "dts": frame.dts}
    if frame.keyframe:
        fields["keyframe"] = True
    if frame.arrival and frame.arrival != now:
        fields["waited"] = now - frame.arrival
    return fields


def track_of(values: Mapping[str, Any]) -> Track:
    """The track of `track_fields`. Raises ValueError, TypeError and KeyError for anything else."""
    made = {**values, "codec": CodecId(values["codec"]), "configuration": bytes.fromhex(values.get("configuration", ""))}
    return Track(**made)
