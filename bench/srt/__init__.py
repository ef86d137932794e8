"""The SRT benchmark: libsrt publishes and watches, our server and srt-live-transmit are in between."""
