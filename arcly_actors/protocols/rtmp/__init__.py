"""RTMP, sans-IO: server and client engines over the chunk stream, without sockets, clocks or codecs."""
