"""Which layer of a simulcast is the best one that comes in: it is what the stream's plain key shows."""

from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.media.frame import MediaFrame


class BestLayer:
    """Follows one layer, and goes to another only at that one's keyframe: to a larger picture when there is one, to a
    smaller one when the larger was silent for `limits.LAYER_SILENCE`. Senders leave out what their path cannot carry.
    """

    def __init__(self) -> None:
        self._chosen: RtpSource | None = None

    @property
    def chosen(self) -> RtpSource | None:
        """The layer that is shown."""
        return self._chosen

    def pick(self, source: RtpSource, frames: Sequence[MediaFrame], now: int) -> Sequence[MediaFrame]:
        """What of a layer's frames is to be shown."""
        if source is self._chosen:
            return frames
        start = next((index for index, frame in enumerate(frames) if frame.keyframe), None)
        if start is None or not self._better(source, now):
            return ()
        self._chosen = source
        return frames[start:]

    def wanted(self, sources: Sequence[RtpSource], now: int) -> RtpSource | None:
        """A layer that should be shown instead, if it made a keyframe; None while the chosen one is right."""
        active = [each for each in sources if each.last_frame and now - each.last_frame < limits.LAYER_SILENCE]
        better = [each for each in active if each is not self._chosen and self._better(each, now)]
        return max(better, key=_pixels, default=None)

    def _better(self, source: RtpSource, now: int) -> bool:
        chosen = self._chosen
        if chosen is None or now - chosen.last_frame >= limits.LAYER_SILENCE:
            return True
        return _pixels(source) > _pixels(chosen)


def _pixels(source: RtpSource) -> int:
    return source.track.width * source.track.height
