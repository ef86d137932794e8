"""SRT (draft-sharabayko-srt): live mode with handshake version 5; specs/protocols/srt.md says how much of it."""
