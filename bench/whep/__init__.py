"""WebRTC viewers (WHEP) of one stream: `python -m bench whep`."""
