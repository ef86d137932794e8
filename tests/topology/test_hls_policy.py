"""The `hls` section as the packager takes it."""

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_policy import Container, HlsPolicy
from arcly_actors.topology.application import Hls


def test_the_defaults_are_the_same_on_both_sides() -> None:
    assert Hls().policy() == HlsPolicy()


def test_every_setting_arrives() -> None:
    section = Hls.model_validate({"format": "mpegts", "segment": "4s", "window": 10, "idle": "1m"})
    expected = HlsPolicy(Container.MPEGTS, segment_ns=4 * NS_PER_S, window=10, idle_ns=60 * NS_PER_S)
    assert section.policy() == expected
