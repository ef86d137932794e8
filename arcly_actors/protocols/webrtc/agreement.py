"""The values of a negotiation: what we want, what we are, and what was agreed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc.candidate import Candidate
from arcly_actors.protocols.webrtc.description import Direction, Fingerprint, Peer
from arcly_actors.protocols.webrtc.formats import CODECS, FEEDBACK, PayloadFormat
from arcly_actors.protocols.webrtc.sdp import SessionDescription, nothing


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """Our end of the transport. `session_id` is random and below 2^63 (RFC 9429 §5.2.1); `cname` names us in RTCP."""

    fingerprint: Fingerprint
    ufrag: str
    pwd: str
    candidates: tuple[Candidate, ...]
    session_id: int
    cname: str = "arcly"


@dataclass(frozen=True, slots=True)
class Publish:
    """The peer sends to us: `codecs` are those that the application takes, dearest first.

    The offer's order decides which codec it is, unless `ours_first`. `feedback` is the rtcp-fb that we can send.
    """

    codecs: tuple[CodecId, ...] = CODECS
    ours_first: bool = False
    simulcast: bool = True
    feedback: tuple[str, ...] = FEEDBACK


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A track that a player can have, and the SSRCs that its packets carry (0: no retransmissions)."""

    track: Track
    ssrc: int
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class Play:
    """We send to the peer: the tracks of the stream, the name that groups them, and the rtcp-fb that we heed."""

    tracks: tuple[Outgoing, ...]
    stream_id: str = "arcly"
    feedback: tuple[str, ...] = FEEDBACK


@dataclass(frozen=True, slots=True)
class AgreedMedia:
    """One section of the agreement. `direction` is ours; `format` is None where nothing flows.

    `extensions` are the ids by URI. For a publisher `ssrcs` and `repairs` are what it announced (SSRC -> SSRC of its
    retransmissions), and `rids` its encodings; for a player they are those of `outgoing`. `promised` is False when the
    player does not say that it decodes the stream's profile. `mixed`: it takes header extensions of both forms.
    """

    mid: str
    kind: str
    direction: Direction
    format: PayloadFormat | None = None
    extensions: Mapping[str, int] = field(default_factory=nothing)
    ssrcs: tuple[int, ...] = ()
    repairs: Mapping[int, int] = field(default_factory=nothing)
    rids: tuple[str, ...] = ()
    outgoing: Outgoing | None = None
    stream_id: str = ""
    promised: bool = True
    rejected: bool = False
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Negotiation:
    """An answered offer: the text that goes back, the peer, and what flows. `active`: we start DTLS."""

    answer: SessionDescription
    peer: Peer
    media: tuple[AgreedMedia, ...]
    active: bool
