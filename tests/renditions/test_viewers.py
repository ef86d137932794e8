"""Viewers of byte streams on renditions: what they get, and that no crash moves them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.byte_subscriber import Begin, ByteSubscriber, Seated, Viewing
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions import Wish
from arcly_actors.runtime import System
from tests.bus.stage import KEY, Viewer
from tests.renditions.clips import NONE, pictures, sound
from tests.renditions.scene import Scene, Show, on_air
from tests.support.outlets import MemoryOutlet
from tests.support.virtual import Probe, in_virtual_time, pass_time

PICTURES = pictures(NONE)
AAC = sound(CodecId.AAC)
OPUS = sound(CodecId.OPUS)


class Lines:
    """An encoder that writes a line for everything: ``open``, ``conf`` and ``frame``, with the codec."""

    def opening(self, tracks: Sequence[Track], metadata: Mapping[str, str], dts: int) -> bytes:
        del metadata, dts
        return b"open %b\n" % b",".join(track.codec.encode() for track in tracks)

    def follow(self, tracks: Sequence[Track]) -> None:
        """Every track is carried."""

    def configuration(self, track: Track, dts: int) -> bytes:
        del dts
        return b"conf %b\n" % track.codec.encode()

    def frame(self, frame: MediaFrame) -> bytes:
        return b"frame %b %d %d\n" % (frame.track.codec.encode(), frame.dts // NS_PER_MS, frame.keyframe)

    def ending(self) -> bytes:
        return b"end\n"


class Watching:
    """A viewer of FLV that has begun."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    @classmethod
    async def begin(cls, scene: Scene) -> "Watching":
        viewing = Viewing(KEY, "test", "there", "lines", Lines, wish=Wish.FLV)
        viewer = Viewer(scene, KEY, None, None, viewing, scene.renditions)
        await viewer.probe.next(Seated)
        await pass_time(1)
        return cls(viewer)

    @property
    def lines(self) -> list[list[str]]:
        """Everything it got."""
        return [line.split() for line in self.viewer.outlet.received.decode().splitlines()]

    def dts(self, codec: str) -> list[int]:
        """When its frames of a codec are due (ms)."""
        return [int(line[2]) for line in self.lines if line[:2] == ["frame", codec]]

    def users(self, scene: Scene) -> list[int]:
        """Who uses renditions."""
        return [report.users for report in scene.renditions.reports()]


@in_virtual_time
async def test_a_player_of_an_opus_publisher_begins_at_the_keyframe_with_its_sound(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(1.2)
    watching = await Watching.begin(scene)
    await show.play(1.0)
    assert watching.lines[0] == ["open", "h264,aac"]
    assert watching.lines[1] == ["frame", "h264", "800", "1"]
    assert watching.dts("opus") == []
    assert watching.dts("aac")[0] < 850
    assert len(watching.dts("aac")) > 55
    assert (watching.users(scene), watching.viewer.ended) == ([1], [])


@in_virtual_time
async def test_neither_crash_moves_a_player(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(0.5)
    watching = await Watching.begin(scene)
    for crashed in ("ByteSubscriber", "StreamActor", "RenditionActor", "GopCacheActor"):
        await show.play(0.3)
        scene.crash(scene.actor(crashed))
        await show.play(0.2)
        assert watching.users(scene) == [1]
    await show.play(0.5)
    assert watching.viewer.ended == []
    assert [line[0] for line in watching.lines].count("open") == 1
    for codec in ("h264", "aac"):
        due = watching.dts(codec)
        assert all(later > earlier for earlier, later in pairwise(due))
    assert len(watching.dts("aac")) > 70


@in_virtual_time
async def test_it_is_given_back_by_a_player_that_leaves(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(0.5)
    watching = await Watching.begin(scene)
    await show.play(0.2)
    watching.viewer.view.stop()
    await show.play(0.2)
    assert watching.users(scene) == [0]
    await pass_time(11_000 * NS_PER_MS)
    assert scene.running() == ()


@in_virtual_time
async def test_a_player_of_the_stream_itself_moves_when_its_sound_changes(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=(PICTURES[0].track, AAC[0].track))
    await Show(source, PICTURES, AAC).play(1.0)
    watching = await Watching.begin(scene)
    await pass_time(100 * NS_PER_MS)
    assert watching.users(scene) == []
    await source.leave()
    await (await on_air(scene, PICTURES, OPUS)).play(1.0)
    assert watching.users(scene) == [1]
    assert watching.dts("opus") == []
    assert watching.viewer.ended == []
    assert ["conf", "aac"] in watching.lines
    for codec in ("h264", "aac"):
        due = watching.dts(codec)
        assert all(later > earlier for earlier, later in pairwise(due))
        assert due[-1] > 1_800


@in_virtual_time
async def test_a_player_that_was_there_before_the_tracks_gets_aac_from_the_start(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=())
    watching = await Watching.begin(scene)
    source.announce((PICTURES[0].track, OPUS[0].track))
    await Show(source, PICTURES, OPUS).play(1.0)
    assert watching.lines[0] == ["open", "h264,aac"]
    assert watching.dts("opus") == []
    assert watching.dts("h264")[0] == 0
    assert len(watching.dts("aac")) > 30


@in_virtual_time
async def test_a_player_that_has_not_begun_when_the_tracks_come_gets_aac(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=())
    viewing = Viewing(KEY, "test", "there", "lines", Lines, wish=Wish.FLV)
    owner = Probe(system)
    subscriber = ByteSubscriber.start(system, scene.bus, viewing, owner.ref, renditions=scene.renditions)
    await owner.next(Seated)
    source.announce((PICTURES[0].track, OPUS[0].track))
    await pass_time(1)
    outlet = MemoryOutlet(None)
    subscriber.tell(Begin(outlet))
    await Show(source, PICTURES, OPUS).play(1.0)
    assert b"opus" not in outlet.received
    assert outlet.received.startswith(b"open h264,aac\nframe h264 0 1\n")


@in_virtual_time
async def test_a_player_whose_actor_crashed_while_its_sound_changed_moves(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=(PICTURES[0].track, AAC[0].track))
    await Show(source, PICTURES, AAC).play(1.0)
    watching = await Watching.begin(scene)
    await source.leave()
    scene.crash(scene.actor("ByteSubscriber"))
    await (await on_air(scene, PICTURES, OPUS)).play(1.0)
    assert watching.viewer.ended == []
    assert watching.dts("opus") == []
    for codec in ("h264", "aac"):
        due = watching.dts(codec)
        assert all(later > earlier for earlier, later in pairwise(due))
        assert due[-1] > 1_800
