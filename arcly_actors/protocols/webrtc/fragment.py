"""ICE fragments of a session description (``application/trickle-ice-sdpfrag``, RFC 8840 §9): trickle and restart."""

from collections.abc import Sequence
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.webrtc import candidate
from arcly_actors.protocols.webrtc.answering import ICE_OPTIONS
from arcly_actors.protocols.webrtc.candidate import Candidate
from arcly_actors.protocols.webrtc.description import credentials
from arcly_actors.protocols.webrtc.ice import IceCredentials
from arcly_actors.protocols.webrtc.sdp import (
    Attribute,
    Section,
    SessionDescription,
    attribute_lines,
    find,
    read_lines,
    read_sections,
    section_line,
)


@dataclass(frozen=True, slots=True)
class IceFragment:
    """What a fragment says. `remote` is None where it names no credentials; `complete`: no candidates follow."""

    remote: IceCredentials | None = None
    candidates: tuple[Candidate, ...] = ()
    complete: bool = False


def parse(text: str) -> IceFragment:
    """Read a fragment. `Malformed` when it is none, `PeerLimit` past a bound.

    Everything is on one transport, so it does not matter in which section a line stands; some clients write none.
    """
    lines = list(read_lines(text))
    if not any(key == "a" for key, _ in lines) or any(key not in "am" for key, _ in lines):
        raise Malformed("not a fragment of a description")
    attributes, sections = read_sections(lines)
    together: tuple[Attribute, ...] = sum((section.attributes for section in sections), attributes)
    ufrag, pwd = find(together, "ice-ufrag"), find(together, "ice-pwd")
    remote = None if ufrag is pwd is None else IceCredentials(*credentials(ufrag, pwd))
    values = dict.fromkeys(value for name, value in together if name == "candidate")
    return IceFragment(remote, candidate.parse_all(values), find(together, "end-of-candidates") is not None)


def write(answer: SessionDescription, local: IceCredentials, candidates: Sequence[Candidate]) -> str:
    """Our new credentials and candidates, for the section that `answer` has its transport in (RFC 9725 §4.3.3)."""
    tagged = next((section for section in answer.sections if section.port), None)
    group = find(answer.attributes, "group")
    session: list[Attribute] = [("ice-lite", ""), ("ice-options", ICE_OPTIONS)]
    if group is not None:
        session.append(("group", group))
    lines = attribute_lines(tuple(session))
    if tagged is not None:
        lines += [section_line(Section(tagged.kind, tagged.port, tagged.protocol, tagged.formats)), *_mid(tagged)]
    own: list[Attribute] = [("ice-ufrag", local.ufrag), ("ice-pwd", local.pwd)]
    own += [("candidate", each.text) for each in candidates[: limits.ICE_CANDIDATES]]
    return "\r\n".join([*lines, *attribute_lines((*own, ("end-of-candidates", ""))), ""])


def _mid(section: Section) -> list[str]:
    mid = section.find("mid")
    return [f"a=mid:{mid}"] if mid is not None else []
