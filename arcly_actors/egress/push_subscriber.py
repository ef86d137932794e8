"""The subscriber of a push over a byte stream: a viewer's, that also says when the tracks it began with have changed."""

from dataclasses import dataclass

from arcly_actors.bus.messages import TracksChanged
from arcly_actors.egress.byte_subscriber import Begin, ByteSubscriber
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.runtime import receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class OtherTracks:
    """To the owner: what a decoder has to be told has changed."""


class PushSubscriber(ByteSubscriber):
    """See the module. Many servers take a change in the middle of a stream badly, so a push begins anew with it."""

    _sent: tuple[tuple[int, CodecId, bytes], ...] = ()

    @receives(Begin)
    def begin(self, begin: Begin) -> None:
        """Note what it begins with."""
        super().begin(begin)
        if self._subscription is not None:
            self._sent = _essence(self._subscription.channel.tracks)

    @receives(TracksChanged)
    def tracks_changed(self, changed: TracksChanged) -> None:
        """Tell the owner, unless they were not known before, or only something more is known of them."""
        now = _essence(changed.tracks)
        if self._sent and now != self._sent:
            notify(self._owner, OtherTracks())
        self._sent = now


def _essence(tracks: tuple[Track, ...]) -> tuple[tuple[int, CodecId, bytes], ...]:
    return tuple((track.id, track.codec, track.configuration) for track in tracks)
