"""WebRTC signalling without a socket: SDP offer and answer, STUN, ICE-lite, and the HTTP rules of WHIP and WHEP."""
