"""The text of a session description: see `protocols.rtp.sdp`, which RTSP and WebRTC share."""

from arcly_actors.protocols.rtp.sdp import (
    Attribute,
    Section,
    SessionDescription,
    attribute_lines,
    every,
    find,
    nothing,
    parse,
    read_lines,
    read_sections,
    section_line,
    unsigned,
)

__all__ = [
    "Attribute",
    "Section",
    "SessionDescription",
    "attribute_lines",
    "every",
    "find",
    "nothing",
    "parse",
    "read_lines",
    "read_sections",
    "section_line",
    "unsigned",
]
