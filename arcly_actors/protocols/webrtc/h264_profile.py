"""H.264 profiles as profile-level-id names them: three bytes in hexadecimal (RFC 6184 §8.1)."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

DEFAULT = "42000a"
"""What a missing profile-level-id means: Baseline, level 1."""


class Profile(StrEnum):
    """The profiles that table 5 of RFC 6184 tells apart, and Constrained High (H.264 §A.2.4.2)."""

    CONSTRAINED_BASELINE = "constrained baseline"
    BASELINE = "baseline"
    EXTENDED = "extended"
    MAIN = "main"
    CONSTRAINED_HIGH = "constrained high"
    HIGH = "high"
    HIGH_10 = "high 10"
    HIGH_422 = "high 4:2:2"
    HIGH_444 = "high 4:4:4 predictive"


@dataclass(frozen=True, slots=True)
class ProfileLevel:
    """A profile-level-id; `profile` is None for one that nobody uses in RTP."""

    idc: int
    constraints: int
    level: int

    @property
    def profile(self) -> Profile | None:
        """The profile, however its bits were written."""
        return next(
            (name for idc, mask, bits, name in _PATTERNS if (idc, bits) == (self.idc, self.constraints & mask)), None
        )

    @property
    def text(self) -> str:
        """As SDP writes it."""
        return f"{self.idc:02x}{self.constraints:02x}{self.level:02x}"


def read(text: str) -> ProfileLevel | None:
    """Read the parameter; None when it is not six hexadecimal digits."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return ProfileLevel(*value) if len(value) == 3 and len(text) == 6 else None


def decodes(decoder: Profile, stream: Profile) -> bool:
    """Whether a decoder of one profile must be able to decode a stream of another (H.264 §A.2)."""
    return stream is decoder or stream in _DECODES[decoder]


def breadth(decoder: Profile) -> int:
    """How many profiles it decodes: the more, the likelier it copes with one that it does not promise."""
    return len(_DECODES[decoder])


# profile_idc, mask over the constraint bits, their values, profile: RFC 6184 table 5, first match counts.
_PATTERNS = (
    (0x42, 0x40, 0x40, Profile.CONSTRAINED_BASELINE),
    (0x4D, 0x80, 0x80, Profile.CONSTRAINED_BASELINE),
    (0x58, 0xC0, 0xC0, Profile.CONSTRAINED_BASELINE),
    (0x42, 0x40, 0x00, Profile.BASELINE),
    (0x58, 0xC0, 0x80, Profile.BASELINE),
    (0x4D, 0x80, 0x00, Profile.MAIN),
    (0x58, 0x80, 0x00, Profile.EXTENDED),
    (0x64, 0x0C, 0x0C, Profile.CONSTRAINED_HIGH),
    (0x64, 0x00, 0x00, Profile.HIGH),
    (0x6E, 0x00, 0x00, Profile.HIGH_10),
    (0x7A, 0x00, 0x00, Profile.HIGH_422),
    (0xF4, 0x00, 0x00, Profile.HIGH_444),
)
_MAIN = (Profile.CONSTRAINED_BASELINE, Profile.MAIN)
_HIGH = (*_MAIN, Profile.CONSTRAINED_HIGH, Profile.HIGH)
_DECODES = MappingProxyType(
    {
        Profile.CONSTRAINED_BASELINE: (Profile.CONSTRAINED_BASELINE,),
        Profile.BASELINE: (Profile.CONSTRAINED_BASELINE, Profile.BASELINE),
        Profile.EXTENDED: (Profile.CONSTRAINED_BASELINE, Profile.BASELINE, Profile.EXTENDED),
        Profile.MAIN: _MAIN,
        Profile.CONSTRAINED_HIGH: (Profile.CONSTRAINED_BASELINE, Profile.CONSTRAINED_HIGH),
        Profile.HIGH: _HIGH,
        Profile.HIGH_10: (*_HIGH, Profile.HIGH_10),
        Profile.HIGH_422: (*_HIGH, Profile.HIGH_10, Profile.HIGH_422),
        Profile.HIGH_444: (*_HIGH, Profile.HIGH_10, Profile.HIGH_422, Profile.HIGH_444),
    }
)
