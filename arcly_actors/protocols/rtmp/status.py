"""Status codes (RTMP 1.0, section 7.2; the names are ActionScript's NetStatusEvent codes) and which refusal is which.

What real clients do with them: FFmpeg fails on any status of level ``error``, starts on ``Play.Start`` and
``Publish.Start``, and ends cleanly on ``Play.Stop`` and ``Play.UnpublishNotify``. librtmp (rtmpdump, OBS) hangs up
on ``NetStream.Failed``, ``Play.Failed``, ``Play.StreamNotFound``, ``Publish.Rejected`` and ``Publish.Denied``, and
ends on ``Play.Stop``, ``Play.Complete`` and ``Play.UnpublishNotify``; it knows no ``Publish.BadName``, so that one is
followed by a hang-up. GStreamer's rtmp2src ends on the user control event StreamEOF.
"""

from dataclasses import dataclass
from enum import StrEnum

from arcly_actors.errors import Refusal
from arcly_actors.protocols.rtmp.amf0 import Value


class Level(StrEnum):
    """How a client takes a status."""

    STATUS = "status"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Status:
    """A code with its level."""

    code: str
    level: Level = Level.STATUS

    def information(self, description: str) -> dict[str, Value]:
        """The information object of ``_result``, ``_error`` and ``onStatus``."""
        return {"level": str(self.level), "code": self.code, "description": description}


def _error(code: str) -> Status:
    return Status(code, Level.ERROR)


CONNECT_SUCCESS = Status("NetConnection.Connect.Success")
CONNECT_REJECTED = _error("NetConnection.Connect.Rejected")
CONNECT_INVALID_APP = _error("NetConnection.Connect.InvalidApp")
CONNECT_APP_SHUTDOWN = _error("NetConnection.Connect.AppShutdown")
CALL_FAILED = _error("NetConnection.Call.Failed")
PUBLISH_START = Status("NetStream.Publish.Start")
PUBLISH_BAD_NAME = _error("NetStream.Publish.BadName")
PUBLISH_DENIED = _error("NetStream.Publish.Denied")
UNPUBLISH_SUCCESS = Status("NetStream.Unpublish.Success")
PLAY_RESET = Status("NetStream.Play.Reset")
PLAY_START = Status("NetStream.Play.Start")
PLAY_STOP = Status("NetStream.Play.Stop")
PLAY_STREAM_NOT_FOUND = _error("NetStream.Play.StreamNotFound")
PLAY_FAILED = _error("NetStream.Play.Failed")
PLAY_INSUFFICIENT_BANDWIDTH = Status("NetStream.Play.InsufficientBW", Level.WARNING)
PLAY_UNPUBLISH_NOTIFY = Status("NetStream.Play.UnpublishNotify")
PLAY_PUBLISH_NOTIFY = Status("NetStream.Play.PublishNotify")
PAUSE_NOTIFY = Status("NetStream.Pause.Notify")
UNPAUSE_NOTIFY = Status("NetStream.Unpause.Notify")
SEEK_FAILED = _error("NetStream.Seek.Failed")
STREAM_FAILED = _error("NetStream.Failed")

CONNECT_REFUSALS = {
    Refusal.UNKNOWN_APPLICATION: CONNECT_INVALID_APP,
    Refusal.SHUTTING_DOWN: CONNECT_APP_SHUTDOWN,
}
PUBLISH_REFUSALS = {
    Refusal.BUSY: PUBLISH_BAD_NAME,
    Refusal.BAD_REQUEST: PUBLISH_BAD_NAME,
    Refusal.UNSUPPORTED: STREAM_FAILED,
    Refusal.FAILED: STREAM_FAILED,
    Refusal.LAGGED: STREAM_FAILED,
    Refusal.ENDED: UNPUBLISH_SUCCESS,
}
PLAY_REFUSALS = {
    Refusal.NOT_FOUND: PLAY_STREAM_NOT_FOUND,
    Refusal.UNKNOWN_APPLICATION: PLAY_STREAM_NOT_FOUND,
    Refusal.LAGGED: PLAY_INSUFFICIENT_BANDWIDTH,
    Refusal.ENDED: PLAY_UNPUBLISH_NOTIFY,
}


def connect_refusal(refusal: Refusal) -> Status:
    """The status of a refused connect."""
    return CONNECT_REFUSALS.get(refusal, CONNECT_REJECTED)


def publish_refusal(refusal: Refusal) -> Status:
    """The status of a publish that is refused or ended by us."""
    return PUBLISH_REFUSALS.get(refusal, PUBLISH_DENIED)


def play_refusal(refusal: Refusal) -> Status:
    """The status of a play that is refused or ended by us."""
    return PLAY_REFUSALS.get(refusal, PLAY_FAILED)
