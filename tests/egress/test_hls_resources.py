"""Names of resources."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.hls_policy import Container
from arcly_actors.egress.hls_resources import (
    GetInit,
    GetMaster,
    GetMedia,
    GetSegment,
    init_name,
    read_name,
    read_path,
    segment_name,
)
from arcly_actors.errors import Refusal, Refused


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/live/cam/index.m3u8", (StreamKey("live", "cam"), GetMaster("me"))),
        ("/live/room/cam/media.m3u8", (StreamKey("live/room", "cam"), GetMedia("me"))),
        ("/live/cam/init-17.mp4", (StreamKey("live", "cam"), GetInit(17, "me"))),
        ("/live/cam/segment-0.m4s", (StreamKey("live", "cam"), GetSegment(0, Container.FMP4, "me"))),
        ("/live/cam/segment-18.ts", (StreamKey("live", "cam"), GetSegment(18, Container.MPEGTS, "me"))),
    ],
)
def test_paths_are_read(path: str, expected: object) -> None:
    assert read_path(path, "me") == expected


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/live/cam", Refusal.NOT_FOUND),
        ("/live/cam/", Refusal.NOT_FOUND),
        ("/live/cam/segment-1.mp4", Refusal.NOT_FOUND),
        ("/live/cam/init-1.m4s", Refusal.NOT_FOUND),
        ("/live/cam/segment-001.m4s", Refusal.NOT_FOUND),
        ("/live/cam/segment--1.m4s", Refusal.NOT_FOUND),
        ("/live/cam/segment-1.m4s\n", Refusal.NOT_FOUND),
        ("/live/cam/segment-9999999999999999999999.m4s", Refusal.NOT_FOUND),
        ("/live/cam/segment-١.m4s", Refusal.NOT_FOUND),
        ("/index.m3u8", Refusal.BAD_REQUEST),
        ("/../cam/index.m3u8", Refusal.BAD_REQUEST),
        ("/live/..\\cam/index.m3u8", Refusal.BAD_REQUEST),
    ],
)
def test_anything_else_is_refused(path: str, refusal: Refusal) -> None:
    with pytest.raises(Refused) as caught:
        read_path(path)
    assert caught.value.refusal is refusal


@given(st.integers(0, 10**18 - 1), st.sampled_from(Container))
@settings(max_examples=100)
def test_names_are_read_back(number: int, container: Container) -> None:
    assert read_name(segment_name(number, container)) == GetSegment(number, container)
    assert read_name(init_name(number)) == GetInit(number)


@given(st.text(max_size=40))
@settings(max_examples=120)
def test_no_path_ends_in_anything_but_a_request_or_a_refusal(path: str) -> None:
    with suppress(Refused):
        key, request = read_path(path)
        assert str(key) in path
        assert type(request).__name__.startswith("Get")
