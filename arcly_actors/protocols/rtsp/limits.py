"""The bounds that one RTSP engine keeps, as a value a topology can set."""

from dataclasses import dataclass

from arcly_actors import limits


@dataclass(frozen=True, slots=True)
class RtspLimits:
    """Bounds of one connection; times are ns, sizes bytes. The reasons stand in `arcly_actors.limits`."""

    handshake_timeout: int = limits.HANDSHAKE_TIMEOUT
    idle_timeout: int = limits.IDLE_TIMEOUT
    session_timeout: int = limits.RTSP_SESSION_TIMEOUT
    answer_timeout: int = limits.RTSP_ANSWER_TIMEOUT
    body_patience: int = limits.RTSP_BODY_PATIENCE
    max_head: int = limits.RTSP_HEAD
    max_fields: int = limits.RTSP_FIELDS
    max_body: int = limits.RTSP_BODY
    max_held_input: int = limits.MAX_HELD_INPUT
    max_unauthorised: int = limits.RTSP_UNAUTHORISED
