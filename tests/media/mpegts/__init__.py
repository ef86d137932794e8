"""Tests of the MPEG-TS demultiplexer and multiplexer."""
