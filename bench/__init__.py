"""Benchmarks against the real server in its own process: `python -m bench rtmp`, `python -m bench whep`."""
