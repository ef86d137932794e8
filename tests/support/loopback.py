"""A topology whose ports the system chooses, for tests that run a whole engine."""

from arcly_actors.topology import Address, Endpoints, Http, Rtmp, Srt, Topology, WebRtc

ANY = Address("127.0.0.1", 0)
LOOPBACK = Topology(
    endpoints=Endpoints(rtmp=Rtmp(listen=ANY), http=Http(listen=ANY), webrtc=WebRtc(listen=ANY), srt=Srt(listen=ANY))
)
TOPOLOGY_FILE = """version: 1
endpoints: {rtmp: {listen: "127.0.0.1:0"}, http: {listen: "127.0.0.1:0"}, webrtc: {listen: "127.0.0.1:0"},
  srt: {listen: "127.0.0.1:0"}}
"""
