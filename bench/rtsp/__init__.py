"""RTSP players of one stream, over TCP and over UDP: `python -m bench rtsp`."""
