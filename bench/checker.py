"""What one viewer checks, for the Python load client: the same that `native/viewers.c` checks."""

from bench.chunks import Message
from bench.clip import AUDIO, VIDEO, ClipMessage
from bench.stamp import STAMP_AT, STAMP_END, read_stamp

FAULTS = ("missing", "repeated", "mismatched", "backwards", "unexpected", "refused", "closed", "protocol")


class Reference:
    """The clip, as a viewer has to get it: frames of each kind in a loop, the configuration of each."""

    def __init__(self, clip: list[ClipMessage]) -> None:
        self.frames = {kind: [m.payload for m in clip if m.frame and m.type == kind] for kind in (AUDIO, VIDEO)}
        self.configuration = {m.type: m.payload for m in clip if not m.frame}


class Checker:
    """Follows the media one viewer gets and counts what is wrong with it, by kind of fault."""

    def __init__(self, reference: Reference) -> None:
        self.faults = dict.fromkeys(FAULTS, 0)
        self.first_error = ""
        self.next_video: int | None = None
        self._reference = reference
        self._next_audio: int | None = None
        self._configured = False
        self._last_ms = 0

    def fault(self, kind: str, text: str, times: int = 1) -> None:
        """Count a fault; the first one is kept as text."""
        self.faults[kind] += times
        self.first_error = self.first_error or text

    def accept(self, message: Message) -> int | None:
        """Check an audio or video message; the send time (ns) of a video frame that is the clip's, or else None."""
        payload = message.payload
        if payload[1:2] == b"\x00":
            self._configured = self._configured or message.type == VIDEO
            self._same(message, self._reference.configuration[message.type])
            return None
        if message.type == AUDIO:
            self._audio(message)
            return None
        stamp = read_stamp(payload)
        if stamp is None:
            self.fault("mismatched", "a video message without a stamp")
            return None
        index, sent_ns = stamp
        self._follow(index, keyframe=payload[0] >> 4 == 1, timestamp_ms=message.timestamp_ms)
        frames = self._reference.frames[VIDEO]
        right = self._same(message, frames[index % len(frames)], but=slice(STAMP_AT, STAMP_END))
        return sent_ns if right else None

    def _follow(self, index: int, *, keyframe: bool, timestamp_ms: int) -> None:
        expected = self.next_video
        if expected is None and not (self._configured and keyframe):
            self.fault("unexpected", f"starts without {'a keyframe' if self._configured else 'a configuration'}")
        elif expected is not None and index > expected:
            self.fault("missing", f"frame {index} after {expected - 1}", index - expected)
        elif expected is not None and index < expected:
            self.fault("repeated", f"frame {index} again")
        if timestamp_ms < self._last_ms:
            self.fault("backwards", f"timestamp {timestamp_ms} after {self._last_ms}")
        self.next_video, self._last_ms = index + 1, timestamp_ms

    def _audio(self, message: Message) -> None:
        frames = self._reference.frames[AUDIO]
        if self._next_audio is None:  # the first: where in the loop it is, the bytes tell
            self._next_audio = frames.index(message.payload) if message.payload in frames else 0
        self._same(message, frames[self._next_audio])
        self._next_audio = (self._next_audio + 1) % len(frames)

    def _same(self, message: Message, expected: bytes, but: slice | None = None) -> bool:
        got = message.payload
        if but is not None:
            got, expected = got[: but.start] + got[but.stop :], expected[: but.start] + expected[but.stop :]
        if got != expected:
            self.fault("mismatched", f"message of type {message.type}, length {len(message.payload)} is not the clip's")
        return got == expected
