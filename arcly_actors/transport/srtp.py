"""SRTP (RFC 3711, RFC 7714) of one peer, in place and without exceptions, through libsrtp.

pylibsrtp's own `Session` copies every packet three times and raises on each that does not authenticate; its cffi
library does neither.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pylibsrtp
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits


@dataclass(frozen=True, slots=True)
class Profile:
    """A protection profile of RFC 5764 / RFC 7714; lengths in bytes, `tag` is what a packet grows by."""

    name: str
    number: int
    key: int
    salt: int
    tag: int


PROFILES = (
    Profile("SRTP_AEAD_AES_128_GCM", pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    Profile("SRTP_AEAD_AES_256_GCM", pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16),
    Profile("SRTP_AES128_CM_SHA1_80", pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
)
"""Best first. Protecting nine packets of 1200 bytes takes 4.0, 4.1 and 10 µs; every browser has all three."""

RTCP_TRAILER = 32
"""What an RTCP packet grows by at most: index and tag."""

_REASONS = {7: "srtp-authentication", 9: "srtp-replay", 10: "srtp-too-old", 21: "srtp-malformed"}


class SrtpSender:
    """Protects for one peer. `context` is for `lib.srtp_protect` alone."""

    __slots__ = ("_handle", "context", "tag")

    def __init__(self, profile: Profile, key: bytes) -> None:
        self._handle = _create(profile, key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, limits.SRTP_SEND_WINDOW)
        self.context = self._handle[0]
        self.tag = profile.tag

    def protect_rtcp(self, data: bytes) -> bytes | None:
        """The protected packet; None when libsrtp refuses it."""
        size = ffi.new("int *", len(data))
        buffer = bytearray(data)
        buffer += bytes(RTCP_TRAILER)
        if lib.srtp_protect_rtcp(self.context, ffi.from_buffer(buffer), size):
            return None
        return bytes(memoryview(buffer)[: size[0]])


class SrtpReceiver:
    """Unprotects what one peer sent and counts in `dropped` what is not to be believed."""

    __slots__ = ("_count", "_handle", "_heard", "_size", "context", "dropped")

    def __init__(self, profile: Profile, key: bytes, dropped: Counter[str]) -> None:
        self._handle = _create(profile, key, pylibsrtp.Policy.SSRC_ANY_INBOUND, limits.SRTP_RECEIVE_WINDOW)
        self.context = self._handle[0]
        self.dropped = dropped
        # SSRC -> the number of the last packet from there.
        self._heard: dict[bytes, int] = {}
        self._count = 0
        self._size = ffi.new("int *")

    def unprotect(self, packet: memoryview, *, rtcp: bool) -> bytes | None:
        """The plain packet, None (and counted) when there is none; `packet` is overwritten."""
        ssrc = bytes(packet[4:8] if rtcp else packet[8:12])
        if len(packet) < 12:
            self.dropped["srtp-malformed"] += 1
            return None
        self._size[0] = len(packet)
        unprotect = lib.srtp_unprotect_rtcp if rtcp else lib.srtp_unprotect
        status = unprotect(self.context, ffi.from_buffer(packet), self._size)
        if status:
            self.dropped[_REASONS.get(status, "srtp-refused")] += 1
            return None
        self._count += 1
        if ssrc not in self._heard and not self._make_room(ssrc):
            self.dropped["srtp-too-many-sources"] += 1
            return None
        self._heard[ssrc] = self._count
        return bytes(packet[: self._size[0]])

    def _make_room(self, ssrc: bytes) -> bool:
        """For a new sender that is authentic, as libsrtp keeps a replay window for each. False when all are in use."""
        if len(self._heard) < limits.SESSION_SSRCS:
            return True
        oldest = min(self._heard, key=self._heard.__getitem__)
        idle = self._count - self._heard[oldest] > limits.SSRC_IDLE_PACKETS
        leaving = oldest if idle else ssrc
        lib.srtp_remove_stream(self.context, int.from_bytes(leaving, sys.byteorder))  # as it stands in the packet
        self._heard.pop(leaving, None)
        return idle


def key_length(profile: Profile) -> int:
    """Bytes of keying material for both directions (RFC 5764 section 4.2)."""
    return 2 * (profile.key + profile.salt)


def session_keys(profile: Profile, material: bytes, *, active: bool) -> tuple[bytes, bytes]:
    """(what we receive with, what we send with); `active`: we were the DTLS client.

    The material is client key, server key, client salt, server salt (RFC 5764 section 4.2).
    """
    keys, salts = material[: 2 * profile.key], material[2 * profile.key :]
    client = keys[: profile.key] + salts[: profile.salt]
    server = keys[profile.key :] + salts[profile.salt :]
    return (server, client) if active else (client, server)


def _create(profile: Profile, key: bytes, direction: int, window: int) -> Any:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile.number)
    policy.allow_repeat_tx = True  # a retransmission is the same packet under the same number
    policy.window_size = window
    handle = ffi.new("srtp_t *")
    status = lib.srtp_create(handle, policy._policy)  # noqa: SLF001 - there is no other way to the C struct
    if status:
        raise RuntimeError(f"libsrtp cannot make a session for {profile.name}: status {status}")
    return ffi.gc(handle, lambda held: lib.srtp_dealloc(held[0]))
