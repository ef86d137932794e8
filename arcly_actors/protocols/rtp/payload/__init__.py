"""Payload formats: one module per codec, each in both directions; `formats` is the table of them."""
