"""RTP and RTCP without sockets: packets, payload formats, loss and clocks, shared by WebRTC and RTSP."""
