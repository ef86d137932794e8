"""MPEG-TS (ISO/IEC 13818-1): demultiplexing without delay, and multiplexing once for all viewers. Pure."""
