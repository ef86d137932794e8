"""`arcly demo`: the server with a built-in publisher, so that there is something to see at once."""

import itertools
from typing import Annotated, Final

import typer

from arcly_actors.cli.level import Level, LevelOption

KEY: Final = "live/demo"
_ADVICE: Final = "Stop the program that has it, or let the system choose another port: arcly demo --{name} 127.0.0.1:0"


def demo(
    rtmp: Annotated[str, typer.Option(help="Where RTMP listens; port 0: the system chooses.")] = "127.0.0.1:1935",
    rtsp: Annotated[str, typer.Option(help="Where RTSP listens; port 0: the system chooses.")] = "127.0.0.1:8554",
    http: Annotated[str, typer.Option(help="Where HTTP listens; port 0: the system chooses.")] = "127.0.0.1:8080",
    webrtc: Annotated[str, typer.Option(help="Where WebRTC's UDP port is; 0: the system chooses.")] = "127.0.0.1:8189",
    srt: Annotated[str, typer.Option(help="Where SRT's UDP port is; 0: the system chooses.")] = "127.0.0.1:8890",
    log_level: LevelOption = Level.INFO,
) -> None:
    """Run the server with a test pattern at live/demo: open the page that it prints, and watch."""
    # Imported when needed: `arcly --version` and `--help` are to be quick.
    from arcly_actors.cli.serve import Serving, serve  # noqa: PLC0415
    from arcly_actors.errors import ConfigurationError  # noqa: PLC0415
    from arcly_actors.topology import Topology  # noqa: PLC0415
    from arcly_actors.topology.endpoints import Endpoints, Http, Rtmp, Rtsp, Srt, UdpPorts, WebRtc  # noqa: PLC0415
    from arcly_actors.topology.values import Address  # noqa: PLC0415

    try:
        rtmp_at, rtsp_at, http_at, webrtc_at, srt_at = map(Address.parse, (rtmp, rtsp, http, webrtc, srt))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
    pairs = (*itertools.combinations((rtmp_at, rtsp_at, http_at), 2), (webrtc_at, srt_at))
    for one, other in pairs:
        if one.overlaps(other):
            raise typer.BadParameter(f"two protocols cannot both listen on {other}")
    udp = UdpPorts() if rtsp_at.port else UdpPorts(rtp=0, rtcp=0)
    endpoints = Endpoints(
        rtmp=Rtmp(listen=rtmp_at),
        rtsp=Rtsp(listen=rtsp_at, udp_ports=udp),
        http=Http(listen=http_at),
        webrtc=WebRtc(listen=webrtc_at),
        srt=Srt(listen=srt_at),
    )
    topology = Topology(endpoints=endpoints)
    note = f"demo: a test pattern is on the air at {KEY}"
    raise typer.Exit(serve(Serving(topology, log_level.number, note, KEY, _ADVICE)))
