"""The colour space that a publisher tells: with keyframes and where it changes, to viewers that take it, at the end."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.whep import carried
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import COLOR_SPACE, Track
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import Outgoing, Play
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.runtime import System
from tests.protocols.webrtc.offers import LOCAL, recorded
from tests.support.rtp_viewing import COLOUR, PICTURES, SOUND, Fed, FedViewer, picture
from tests.support.virtual import in_virtual_time, pass_time

BT601, BT709 = "05060601", "01010101"
HDR = "09100901" + "42" * 24


def coloured(color_space: str) -> Track:
    """A track whose publisher told it."""
    return replace(PICTURES, metadata=MappingProxyType({COLOR_SPACE: color_space}))


def told(viewer: FedViewer) -> list[tuple[int, str]]:
    """Which of its packets told a colour space (by their place), and which."""
    found = ((index, dict(each.extensions).get(COLOUR)) for index, each in enumerate(viewer.packets()))
    return [(index, value.hex()) for index, value in found if value is not None]


def push(fed: Fed, *tracks: Track, key: int = 0, size: int = 100) -> None:
    """A picture of each track; that at `key` is a keyframe."""
    for index, track in enumerate(tracks):
        fed.push(picture(fed.clock * 40, key=index == key, size=size, track=track))
        fed.clock += 1


@in_virtual_time
async def test_it_is_told_with_keyframes_and_where_it_changes_to_those_that_take_it(system: System) -> None:
    fed = Fed(system)
    viewer, other = FedViewer(fed, color_space=True), FedViewer(fed)
    viewer.join()
    other.join()
    push(fed, coloured(BT601), coloured(BT601), coloured(BT709), coloured(BT709))
    push(fed, coloured(BT709), coloured(BT709))
    push(fed, PICTURES, PICTURES)
    assert told(viewer) == [(0, BT601), (2, BT709), (4, BT709)]
    assert told(other) == []
    assert viewer.names() == other.names()


@in_virtual_time
async def test_it_is_on_the_last_packet_of_a_keyframe_that_leaves_in_parts(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed, color_space=True)
    viewer.join()
    push(fed, coloured(BT601), size=200_000)
    await pass_time(100 * NS_PER_MS)
    packets = viewer.packets()
    assert packets[-1].marker
    assert len(packets) > 100
    assert told(viewer) == [(len(packets) - 1, BT601)]


@in_virtual_time
async def test_who_joins_later_and_who_joins_a_new_feed_get_it_from_the_cache(system: System) -> None:
    fed = Fed(system)
    push(fed, coloured(BT601), coloured(BT601))
    viewer = FedViewer(fed, color_space=True)
    assert viewer.join()
    assert told(viewer) == [(0, BT601)]
    before = Fed(system, before=[picture(0, key=True, track=coloured(BT709)), picture(40, track=coloured(BT709))])
    first = FedViewer(before, color_space=True)
    assert first.join()
    assert told(first) == [(0, BT709)]


@pytest.mark.parametrize("rtx", [False, True])
def test_it_is_sent_again_as_it_was(rtx: bool) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        fed = Fed(system)
        push(fed, coloured(BT601), coloured(BT601))
        viewer = FedViewer(fed, rtx=rtx, send_time=True, color_space=True)
        viewer.join()
        push(fed, coloured(BT601), coloured(BT601))
        own, shared = (viewer.packets()[index] for index, _ in told(viewer))
        sent = {rtp.parse(each.data).sequence: each.data for each in viewer.transport.rtp}
        await pass_time(100 * NS_PER_MS)
        again = viewer.nack(own.sequence, shared.sequence)
        if rtx:
            assert [rtp.parse(each).extensions for each in again] == [own.extensions, shared.extensions]
        else:
            assert again == [sent[own.sequence], sent[shared.sequence]]

    scenario()


@in_virtual_time
async def test_hdr_goes_to_those_that_take_the_two_byte_form(system: System) -> None:
    fed = Fed(system)
    both, short = FedViewer(fed, color_space=True, mixed=True), FedViewer(fed, color_space=True)
    both.join()
    short.join()
    push(fed, coloured(HDR))
    assert told(both) == [(0, HDR)]
    assert told(short) == [(0, HDR[:8])]


@pytest.mark.parametrize("nonsense", ["", "sRGB", "01", "é", "01" * 5])
def test_metadata_that_is_no_colour_space_is_left_out(nonsense: str) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        fed = Fed(system)
        viewer = FedViewer(fed, color_space=True)
        viewer.join()
        push(fed, coloured(nonsense))
        assert told(viewer) == []
        assert viewer.names() == ["K@0"]

    scenario()


def test_a_browser_is_answered_with_it_for_pictures() -> None:
    wants = Play((Outgoing(PICTURES, 5), Outgoing(SOUND, 7)))
    agreed = answer(recorded("chromium-156-whep"), wants, LOCAL)
    layouts = {each.kind: each.layout for each in carried(agreed.media)}
    assert (layouts[Kind.VIDEO].color_space, layouts[Kind.VIDEO].mixed) == (8, True)
    assert (layouts[Kind.AUDIO].color_space, layouts[Kind.AUDIO].mixed) == (0, False)
    assert f"a=extmap:8 {extensions.COLOR_SPACE}\r\n" in agreed.answer.text()
