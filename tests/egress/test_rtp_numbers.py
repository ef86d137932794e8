"""The numbers of a viewer's packets, over whatever happens: none for two packets (`Nonces` watches), none left out."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.feedback import Nack
from arcly_actors.runtime import System, run_virtual
from tests.support.rtp_viewing import Fed, FedViewer, picture, sound
from tests.support.virtual import in_virtual_time, pass_time

WHO = st.integers(0, 2)
ACTION = st.one_of(
    st.tuples(st.just("play"), st.integers(1, 12), st.sampled_from([100, 4_000, 60_000])),
    st.tuples(st.just("keyframe"), st.sampled_from([100, 50_000, 300_000])),
    st.tuples(st.just("join"), WHO, st.booleans(), st.sampled_from(list(Join))),
    st.tuples(st.just("pause"), WHO),
    st.tuples(st.just("resume"), WHO),
    st.tuples(st.just("replay"), WHO),
    st.tuples(st.just("lose"), WHO),
    st.tuples(st.just("nack"), WHO, st.lists(st.integers(-70, 3), min_size=1, max_size=8)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 17, 400, 1500])),
    st.tuples(st.just("blocked"), WHO, st.booleans()),
    st.tuples(st.just("outgrown")),
    st.tuples(st.just("trickle")),
)


class Machine:
    """Does the actions of one example."""

    def __init__(self, system: System, start: int) -> None:
        self.system = system
        self.fed = Fed(system, start=start)
        self.viewers: dict[int, FedViewer] = {}
        self.running: set[int] = set()

    async def do(self, action: tuple[Any, ...]) -> None:
        await getattr(self, action[0])(*action[1:])

    async def play(self, count: int, size: int) -> None:
        await self.fed.play(count, gop=1_000_000, size=size)

    async def trickle(self) -> None:
        """Pictures half a millisecond apart."""
        for index in range(3):
            self.fed.push(picture(self.fed.clock * 40 + 1 + index / 2, size=40_000))
            await pass_time(NS_PER_MS // 2)

    async def keyframe(self, size: int) -> None:
        at = self.fed.clock * 40
        self.fed.clock += 1
        self.fed.push(picture(at, key=True, size=size), sound(at))
        await pass_time(7 * NS_PER_MS)

    async def outgrown(self) -> None:
        self.fed.cache.anchor = None
        self.fed.channel.anchor_at(None)

    async def join(self, who: int, rtx: bool, join: Join) -> None:
        if who not in self.viewers:
            self.viewers[who] = FedViewer(self.fed, rtx=rtx, send_time=who % 2 == 0)
            self.viewers[who].join(join)
            self.running.add(who)

    async def pause(self, who: int) -> None:
        if who in self.running:
            self.viewers[who].viewer.pause()
            self.running.discard(who)

    async def resume(self, who: int) -> None:
        if who in self.viewers:
            self.viewers[who].join()
            self.running.add(who)

    async def replay(self, who: int) -> None:
        if who in self.viewers:
            self.viewers[who].viewer.replay(self.system.clock.monotonic_ns())

    async def lose(self, who: int) -> None:
        """Loss that lasts."""
        for _ in range(6 if who in self.viewers else 0):
            self.viewers[who].lose(0.4)
            await pass_time(250 * NS_PER_MS)

    async def nack(self, who: int, places: list[int]) -> None:
        """Numbers about the newest of either kind of numbering."""
        viewer = self.viewers.get(who)
        if viewer is None:
            return
        packets = viewer.packets()
        newest = [self.fed.feed.tracks[Kind.VIDEO].sent, *([packets[-1].sequence] if packets else [])]
        asked = tuple(number + place & 0xFFFF for number in newest for place in places)
        viewer.tell(Nack(1, viewer.ssrc, asked))

    async def wait(self, ms: int) -> None:
        await pass_time(ms * NS_PER_MS)

    async def blocked(self, who: int, blocked: bool) -> None:
        if who in self.viewers:
            self.viewers[who].transport.blocked = blocked


@settings(max_examples=120)
@given(actions=st.lists(ACTION, min_size=30, max_size=60), start=st.sampled_from([0, 65_300, 65_530, 131_000]))
def test_no_number_is_used_twice_and_none_is_left_out(actions: list[tuple[Any, ...]], start: int) -> None:
    async def scenario(system: System) -> None:
        machine = Machine(system, start)
        for action in actions:
            await machine.do(action)
        for who in machine.viewers:
            await machine.resume(who)
        await machine.keyframe(100_000)
        await pass_time(NS_PER_S)
        await machine.play(3, 100)
        for viewer in machine.viewers.values():
            for track in machine.fed.feed.tracks.values():
                assert viewer.transport.nonces.gaps(track.ssrc) == []
                assert viewer.transport.nonces.gaps(track.rtx_ssrc) == []

    run_virtual(scenario)


@in_virtual_time
async def test_a_number_of_the_last_round_is_not_answered_with_its_old_packet(system: System) -> None:
    """After 65,536 packets its 16 bits mean another one: sent now, the old one would be encrypted under that's nonce."""
    fed = Fed(system)
    await fed.play(3, gop=1000)
    viewer = FedViewer(fed, sound=False)
    viewer.join()
    first = viewer.packets()[0].sequence
    while fed.feed.tracks[Kind.VIDEO].next < first + 65_536 + 300:
        await fed.play(1, gop=1000, size=1_000_000)
    newest = {packet.sequence: packet for packet in viewer.packets()}
    assert len(newest) == 65_536
    assert [rtp.parse(data) for data in viewer.nack(first)] == [newest[first]]
    await pass_time(NS_PER_S)
    await fed.play(1, gop=1000)
    assert viewer.nack(first + 1) == []


@in_virtual_time
async def test_a_viewer_that_comes_back_too_late_in_the_middle_of_its_backlog_has_no_gap(system: System) -> None:
    fed = Fed(system)
    await fed.play(30, gop=1000, size=30_000)
    viewer = FedViewer(fed, sound=False)
    viewer.join()
    viewer.viewer.pause()
    await fed.play(40, gop=1000)
    assert not viewer.join(), "what it missed is forgotten"
    fed.push(picture(fed.clock * 40, key=True))
    fed.clock += 1
    await fed.play(2, gop=1000)
    assert viewer.transport.nonces.gaps(viewer.ssrc) == []
    assert not viewer.viewer.waiting
    assert viewer.packets()[-3:][0].sequence == viewer.packets()[-4].sequence + 1


@in_virtual_time
async def test_a_viewer_that_comes_back_soon_gets_what_it_missed(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    sent = await fed.play(5, gop=1000)
    viewer.viewer.pause()
    assert viewer.names() == sent
    sent += await fed.play(20, gop=1000)
    assert viewer.names() == sent[:5]
    assert viewer.join()
    await pass_time(limits.PACER_STEP)
    assert viewer.names() == sent
    sent += await fed.play(3, gop=1000)
    assert viewer.names() == sent
    assert len(viewer.names(Kind.AUDIO)) == 2 * len(sent)


@in_virtual_time
async def test_a_viewer_that_comes_back_late_waits_for_a_keyframe(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    sent = await fed.play(5, gop=50)
    viewer.viewer.pause()
    await fed.play(40, gop=50)
    assert not viewer.join()
    sent += (await fed.play(8, gop=50))[5:]
    assert viewer.names() == sent
    assert viewer.transport.nonces.gaps(viewer.ssrc) == []
    assert viewer.names(Kind.AUDIO)[-1] == "\xf8@2100"
