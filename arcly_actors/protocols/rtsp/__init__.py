"""RTSP 1.0 (RFC 2326): sans-IO engines for both ends of a connection, for publishing and for playing."""
