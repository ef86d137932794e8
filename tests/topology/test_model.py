"""The model in Python: defaults, strictness, and the way to YAML and back."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from arcly_actors.bus.policy import ApplicationPolicy, Conflict, Join
from arcly_actors.protocols.rtsp.access import Action
from arcly_actors.topology import (
    Address,
    Application,
    Backoff,
    Endpoints,
    GopCache,
    Http,
    IceServer,
    Rtmp,
    Rtmps,
    Rtsp,
    RtspUser,
    Srt,
    Subscriber,
    Supervision,
    Tls,
    Topology,
    TopologyError,
    WebRtc,
    duration,
    size,
)
from arcly_actors.topology.rtsp import rtsp_doors


def test_http_disabled_leaves_nobody_to_open_webrtc_sessions() -> None:
    assert "webrtc" not in Endpoints(http=Http(enabled=False)).listeners()


def test_a_default_topology_listens_on_this_machine_only() -> None:
    assert Topology().endpoints.listeners() == {
        "rtmp": Address("127.0.0.1", 1935),
        "rtsp": Address("127.0.0.1", 8554),
        "http": Address("127.0.0.1", 8080),
        "webrtc": Address("127.0.0.1", 8189),
        "srt": Address("127.0.0.1", 8890),
    }


def test_without_a_file_live_is_the_only_application_and_has_the_policy_of_the_bus() -> None:
    assert Topology().policies() == {"live": ApplicationPolicy()}


def test_an_application_becomes_the_policy_of_the_bus() -> None:
    application = Application(
        gop_cache=GopCache(frames=9, bytes=size("1MiB"), duration=duration("3s")),
        hold=0,
        on_conflict="takeover",
        idle_timeout=duration("5s"),
        subscriber=Subscriber(join="live", max_lag=duration("1s")),
        flush_interval=0,
    )
    policy = application.policy(packaged=True)
    assert (policy.gop.frames, policy.gop.size, policy.gop.duration_ns) == (9, 1 << 20, 3_000_000_000)
    assert (policy.hold_ns, policy.idle_ns, policy.max_lag_ns, policy.flush_interval_ns) == (0, 5 * 10**9, 10**9, 0)
    assert (policy.on_conflict, policy.join) == (Conflict.TAKEOVER, Join.LIVE)


def test_the_python_form_is_the_file() -> None:
    made = Topology(
        applications={"live/room": Application(hold=duration("1m"))},
        endpoints=Endpoints(
            rtmp=Rtmp(enabled=False),
            rtmps=Rtmps(listen=Address("::", 1936), tls=Tls(certificate=Path("c.pem"), key=Path("k.pem"))),
            rtsp=Rtsp(udp_ports=None, users=(RtspUser(name="cam", password="secret", may=("publish",)),)),
            http=Http(cors=("*", "https://player.example:8443")),
            webrtc=WebRtc(
                listen=Address("::", 0),
                advertise=("203.0.113.7", "2001:db8::7"),
                ice_servers=(IceServer(url="turn:turn.example:3478", username="u", credential="c"),),
            ),
        ),
        supervision=Supervision(strategy="rest_for_one", backoff=Backoff(first=duration("1s"), jitter=0)),
    )
    assert Topology.parse(made.to_yaml()) == made
    assert "secret" not in repr(made)
    assert made.endpoints.listeners() == {
        "rtmps": Address("::", 1936),
        "rtsp": Address("127.0.0.1", 8554),
        "http": Address("127.0.0.1", 8080),
        "webrtc": Address("::", 0),
        "srt": Address("127.0.0.1", 8890),
    }


def test_text_with_units_is_understood_in_python_too() -> None:
    read = Topology.model_validate({"applications": {"live": {"hold": "1m", "gop_cache": {"bytes": "1MiB"}}}})
    assert read.applications["live"].hold == 60 * 10**9
    assert read.applications["live"].gop_cache.bytes == 1 << 20


def test_a_topology_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Topology().limits.max_publishers = 3


@pytest.mark.parametrize(
    "value",
    [
        {"applications": {}},
        {"applications": {"live": {"hold": -1}}},
        {"applications": {"live": {"hold": True}}},
        {"limits": {"max_publishers": True}},
        {"limits": {"max_publishers": 1.0}},
        {"sources": ["rtmp://example/live/cam"]},
        {"sinks": [{}]},
        {"endpoints": {"http": {"cors": ["player.example"]}}},
        {"endpoints": {"http": {"cors": ["https://player.example/path"]}}},
        {"endpoints": {"rtmp": {"listen": "127.0.0.1:8080"}}},
        {"endpoints": {"webrtc": {"advertise": ["cam.example"]}}},
        {"endpoints": {"webrtc": {"ice_servers": [{"url": "http://turn.example"}]}}},
        {"supervision": {"backoff": {"first": "31s"}}},
    ],
)
def test_values_that_cannot_work_are_refused_in_python_too(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Topology.model_validate(value)


def test_a_disabled_endpoint_leaves_its_address_to_others() -> None:
    endpoints = Endpoints(
        rtmp=Rtmp(enabled=False, listen=Address("127.0.0.1", 8080)),
        rtsp=Rtsp(enabled=False),
        webrtc=WebRtc(enabled=False),
        srt=Srt(enabled=False),
    )
    assert endpoints.listeners() == {"http": Address("127.0.0.1", 8080)}


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ("udp_ports: {rtp: 8001, rtcp: 8002}", "endpoints.rtsp.udp_ports.rtp: 8001 is odd"),
        ("udp_ports: {rtp: 8000, rtcp: 8005}", "endpoints.rtsp.udp_ports.rtcp: 8005 is not the port after 8000"),
        ("users: [{name: 'a:b', password: x}]", "endpoints.rtsp.users"),
        ("users: [{name: a, password: ''}]", "endpoints.rtsp.users"),
        ("users: [{name: a, password: x, may: [sing]}]", "endpoints.rtsp.users"),
        ("session_timeout: 1s", "endpoints.rtsp.session_timeout"),
    ],
)
def test_rtsp_sections_that_cannot_work(section: str, where: str) -> None:
    with pytest.raises(TopologyError) as caught:
        Topology.parse(f"version: 1\nendpoints: {{rtsp: {{{section}}}}}\n")
    assert where in str(caught.value)


def test_rtsp_doors_are_what_the_topology_says() -> None:
    made = Topology.parse(
        "version: 1\nendpoints:\n  rtsp:\n    anyone: [play]\n"
        "    users: [{name: cam, password: x, may: [publish], applications: [live]}]\n"
    )
    (door,) = rtsp_doors(made)
    assert door.udp is not None
    assert [address.port for address in door.udp] == [8000, 8001]
    assert door.rules.access.allows("cam", Action.PUBLISH, "live/a")
    assert door.rules.access.is_open(Action.PLAY)
    assert not door.rules.basic
    assert rtsp_doors(Topology.parse("version: 1\nendpoints: {rtsp: {enabled: false}}")) == []
    (door,) = rtsp_doors(Topology.parse("version: 1\nendpoints: {rtsp: {udp_ports: null}}"))
    assert door.udp is None
