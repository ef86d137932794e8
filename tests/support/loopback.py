"""A topology whose ports the system chooses, for tests that run a whole engine."""

from arcly_actors.topology import Address, Endpoints, Http, Rtmp, Rtsp, Srt, Topology, UdpPorts, WebRtc

ANY = Address("127.0.0.1", 0)
ANY_RTSP = Rtsp(listen=ANY, udp_ports=UdpPorts(rtp=0, rtcp=0))
LOOPBACK = Topology(
    endpoints=Endpoints(
        rtmp=Rtmp(listen=ANY), rtsp=ANY_RTSP, http=Http(listen=ANY), webrtc=WebRtc(listen=ANY), srt=Srt(listen=ANY)
    )
)
TOPOLOGY_FILE = """version: 1
endpoints:
  rtmp: {listen: "127.0.0.1:0"}
  rtsp: {listen: "127.0.0.1:0", udp_ports: {rtp: 0, rtcp: 0}}
  http: {listen: "127.0.0.1:0"}
  webrtc: {listen: "127.0.0.1:0"}
  srt: {listen: "127.0.0.1:0"}
"""
