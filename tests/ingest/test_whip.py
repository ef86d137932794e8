"""The session of a WebRTC sender: its slot, its stream, what it survives, simulcast, that nothing of it is left."""

import asyncio
import re

import pytest

from arcly_actors.bus.events import KeyframeRequested, PublishHeld, PublishResumed, PublishStarted
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.endpoints.webrtc_sessions import Session
from arcly_actors.errors import PeerLimit, Refusal, Refused
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.feedback import Fir, Pli
from arcly_actors.protocols.rtp.reporting import ReceiverReport
from arcly_actors.protocols.rtp.transport_cc import TransportFeedback
from arcly_actors.runtime import ChildGaveUp, System
from tests.bus.stage import KEY, Source
from tests.support.rtc_door import SIMULCAST_OFFER, WHEP_OFFER, WHIP_OFFER, Caller, Door
from tests.support.rtp_sending import Numbers, SentTrack, vp8
from tests.support.streams import clip
from tests.support.virtual import in_virtual_time, pass_time

CLIP = clip(CodecId.H264, CodecId.OPUS)


class Sender:
    """A caller with tracks to send."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        numbers = Numbers()
        media = {each.kind: each for each in caller.negotiation.media}
        self.tracks = {Kind(kind): SentTrack(each, numbers) for kind, each in media.items()}
        self.layers = {rid: SentTrack(media["video"], numbers, rid=rid) for rid in media["video"].rids}
        self.at = 0

    async def play(self, seconds: float, *, kinds: tuple[Kind, ...] = (Kind.VIDEO, Kind.AUDIO), lose: int = 0) -> None:
        """The clip from where it was, without every `lose`-th packet."""
        begun, count = self.at, 0
        for frame in CLIP.play(self.at / NS_PER_S + seconds):
            if frame.pts < begun:
                continue
            await pass_time(frame.pts - self.at)
            self.at = frame.pts
            if frame.track.kind in kinds:
                for wire in self.tracks[frame.track.kind].packetise(frame):
                    count += 1
                    if not lose or count % lose:
                        self.caller.transport.arrive(wire)
        await asyncio.sleep(0)

    async def layer_frames(self, count: int, rids: str, *, keys: str = "") -> None:
        """Frames of some layers, 40 ms apart, those of `keys` being keyframes at first; with sound."""
        widths = {"q": 320, "h": 640, "f": 1280}
        for index in range(count):
            for rid in rids:
                frame = vp8(self.at // NS_PER_MS, key=not index and rid in keys, width=widths[rid], tag=rid)
                for wire in self.layers[rid].packetise(frame):
                    self.caller.transport.arrive(wire)
            for wire in self.tracks[Kind.AUDIO].packetise(MediaFrame(CLIP.tracks[1], self.at, self.at, b"\xf8a" * 30)):
                self.caller.transport.arrive(wire)
            await pass_time(40 * NS_PER_MS)
            self.at += 40 * NS_PER_MS

    def asked(self, *kinds: type[Pli] | type[Fir]) -> list[int]:
        """Of which SSRCs keyframes were asked for."""
        found = []
        for packet in self.caller.heard():
            if isinstance(packet, Pli) and Pli in kinds:
                found.append(packet.media)
            elif isinstance(packet, Fir) and Fir in kinds:
                found += [ssrc for ssrc, _ in packet.requests]
        return found


def log(door: Door, key: StreamKey = KEY) -> list[MediaFrame]:
    """What a stream has."""
    entry = door.stage.bus._entries[key]
    return [entry.channel.log[position].frame for position in range(entry.channel.log.tail, entry.channel.log.head)]


@in_virtual_time
async def test_a_senders_frames_are_the_streams(system: System) -> None:
    door = Door(system)
    pending = await door.send(connect=False)
    assert len(door.stage.of(PublishStarted)) == 1, "the slot is claimed before the answer"
    await pending.connect()
    sender = Sender(pending)
    await sender.play(2)
    await pass_time(200 * NS_PER_MS)
    frames = log(door)
    sent = list(CLIP.play(2))
    assert [frame.payload for frame in frames if frame.track.kind is Kind.AUDIO] == [
        frame.payload for frame in sent if frame.track.kind is Kind.AUDIO
    ]
    assert sum(frame.track.kind is Kind.VIDEO for frame in frames) == 60
    tracks = door.stage.bus._entries[KEY].channel.tracks
    assert [(track.kind, track.width) for track in tracks] == [(Kind.VIDEO, 160), (Kind.AUDIO, 0)]
    assert sender.asked(Pli, Fir) == []
    heard = pending.heard()
    assert sum(isinstance(each, TransportFeedback) for each in heard) > 30
    assert 2 <= sum(isinstance(each, ReceiverReport) for each in heard) <= 4
    await door.sessions.end(pending.session)
    assert len(door.stage.of(PublishHeld)) == 1
    door.check_empty()
    await door.close_stream()


@pytest.mark.parametrize("kind", [Kind.VIDEO, Kind.AUDIO])
def test_a_sender_of_one_kind_is_live_soon(kind: Kind) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        sender = Sender(await door.send())
        await sender.play(3, kinds=(kind,))
        assert {frame.track.kind for frame in log(door)} == {kind}
        assert [track.kind for track in door.stage.bus._entries[KEY].channel.tracks] == [kind]
        assert door.stage.of(KeyframeRequested) == [], "nothing is missing"
        await door.close_stream()

    scenario()


@in_virtual_time
async def test_lost_references_are_asked_for_a_few_times_a_second(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(0.5)
    sender.at += 10 * NS_PER_MS
    await sender.play(1.4, lose=2)
    assert 1 <= len(sender.asked(Pli, Fir)) <= 4
    assert set(sender.asked(Pli, Fir)) == {sender.tracks[Kind.VIDEO].ssrc}
    await door.close_stream()


@in_virtual_time
async def test_a_viewers_request_reaches_the_sender(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(0.5)
    viewer = await door.play()
    viewer.tell(Pli(1, viewer.ssrc(Kind.VIDEO)))
    await pass_time(20 * NS_PER_MS)
    assert sender.asked(Pli) == [sender.tracks[Kind.VIDEO].ssrc]
    await door.close_stream()


@in_virtual_time
async def test_a_crashed_publisher_is_back_on_its_transport_and_viewers_stay(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(1.2)
    viewer = await door.play()
    for _ in range(2):
        sender.caller.crash()
        await sender.play(0.9)
        assert set(sender.asked(Pli, Fir)) == {sender.tracks[Kind.VIDEO].ssrc}
        await sender.play(1.6)
    assert len(door.stage.of(PublishResumed)) == 2
    assert len(door.transports) == 2, "one each"
    assert sender.caller.transport.closed is viewer.transport.closed is None
    for track in {frame.track.id for frame in log(door)}:
        stamps = [frame.dts for frame in log(door) if frame.track.id == track]
        assert stamps == sorted(set(stamps))
    units = viewer.units()
    assert units[0].keyframe
    assert units[-1].timestamp - units[0].timestamp > 4 * 90_000
    await door.close_stream()


@in_virtual_time
async def test_a_publisher_that_fails_too_often_is_given_up(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    for _ in range(8):
        if sender.caller.actor.is_alive():
            sender.caller.crash()
        await sender.play(1.3)
    assert any(isinstance(event, ChildGaveUp) for event in door.seen)
    assert sender.caller.transport.closed is not None
    await door.close_stream()


@in_virtual_time
async def test_the_stream_actor_crashes(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(1.2)
    viewer = await door.play()
    door.stage.crash(door.stage.actor("StreamActor"))
    await sender.play(3)
    assert sender.caller.transport.closed is None
    before = len(viewer.packets())
    await sender.play(0.5)
    assert len(viewer.packets()) > before
    assert len(viewer.units()) > 60
    await door.close_stream()


@in_virtual_time
async def test_the_slot_is_taken(system: System) -> None:
    door = Door(system)
    await door.send()
    with pytest.raises(Refused) as refused:
        await door.send()
    assert refused.value.refusal is Refusal.BUSY
    assert len(door.transports) == len(door.sessions) == 1
    await door.close_stream()


@pytest.mark.parametrize("slow_ns", [0, NS_PER_S // 10])
@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("turns", [*range(8), 20])
def test_nothing_is_left_of_one_that_goes_or_crashes_before_its_answer(turns: int, crash: bool, slow_ns: int) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        door.slow_ns = slow_ns
        pending = asyncio.create_task(door.sessions.publish(KEY, WHIP_OFFER, "there", None, {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        if crash:
            for ref in door.stage.actors("WhipPublisher"):
                door.stage.crash(ref)
        else:
            pending.cancel()
        for session in await asyncio.gather(pending, return_exceptions=True):
            if isinstance(session, Session):
                await door.sessions.end(session)
        await pass_time(NS_PER_S)
        second = await door.send()
        assert second.session.opened is not None, "the slot is free"
        await door.sessions.end(second.session)
        await door.close_stream()

    scenario()


@in_virtual_time
async def test_a_peer_that_goes_leaves_the_stream_held(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(0.5)
    sender.caller.transport.end("the peer said goodbye")
    await pass_time(NS_PER_MS)
    assert len(door.stage.of(PublishHeld)) == 1
    door.check_empty()
    await door.close_stream()


@in_virtual_time
async def test_rubbish_does_not_end_it(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send())
    await sender.play(0.3)
    for data in (b"", b"\x80", b"\x80\x66", bytes(40), b"\xff" * 60, b"\x90\xe6" + b"\xff" * 30):
        sender.caller.transport.arrive(data)
        sender.caller.transport.arrive(data, rtcp=True)
    await sender.play(0.3)
    assert sender.caller.actor.is_alive()
    await door.close_stream()


@in_virtual_time
async def test_an_offer_of_more_layers_than_can_be_aligned_is_declined(system: System) -> None:
    door = Door(system)
    offer = _many_layers()
    with pytest.raises(PeerLimit):
        await door.send(offer=offer)
    assert door.seen == [], "nothing failed"
    await door.close_stream()


def _many_layers() -> str:
    """The simulcast offer with its video section three times and eight layers in each."""
    head, audio, video = _sections(SIMULCAST_OFFER)
    rids = [f"r{index}" for index in range(8)]
    kept = [line for line in video if not line.startswith(("a=rid:", "a=simulcast:"))]
    lines = [*head, *audio]
    for number in range(3):
        lines += [f"a=mid:{number + 1}" if line.startswith("a=mid:") else line for line in kept]
        lines += [f"a=rid:{rid} send" for rid in rids]
        lines.append("a=simulcast:send " + ";".join(rids))
    text = "\r\n".join(lines) + "\r\n"
    return text.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 2 3")


def _sections(offer: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in offer.splitlines():
        if line.startswith("m="):
            found.append([])
        found[-1].append(line)
    return found


# -- simulcast --------------------------------------------------------------------------------------------------------


def names(door: Door, key: StreamKey = KEY) -> list[str]:
    """Which layer each picture of a stream is of."""
    frames = [frame for frame in log(door, key) if frame.track.kind is Kind.VIDEO]
    return [found[1] for frame in frames if (found := re.search(r"([qhf])@\d+;", frame.payload.decode("latin-1")))]


def key(rid: str) -> StreamKey:
    return StreamKey(KEY.application, f"{KEY.name}~{rid}")


@in_virtual_time
async def test_layers_have_keys_of_their_own_and_the_best_is_the_plain_one(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    await sender.layer_frames(10, "qhf")
    for rid in "qhf":
        assert set(names(door, key(rid))) == {rid}
        assert {frame.track.kind for frame in log(door, key(rid))} == {Kind.VIDEO, Kind.AUDIO}
        assert log(door, key(rid))[-1].track.id in {
            track.id for track in door.stage.bus._entries[key(rid)].channel.tracks
        }
    assert set(names(door)[3:]) == {"f"}
    assert {frame.track.kind for frame in log(door)} == {Kind.VIDEO, Kind.AUDIO}
    await door.sessions.end(sender.caller.session)
    await pass_time(NS_PER_S)
    assert door.stage.actors("LayerPublisher") == []
    await pass_time(20 * NS_PER_S)
    await door.close_stream()


@in_virtual_time
async def test_a_silent_layer_is_replaced_at_a_keyframe_and_comes_back_at_one(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    await sender.layer_frames(80, "qh")
    ssrc = {rid: track.ssrc for rid, track in sender.layers.items()}
    assert set(sender.asked(Pli)) == {ssrc["h"]}, "the next best, and only it"
    assert names(door)[-1] == "f"
    await sender.layer_frames(20, "qh", keys="h")
    assert set(names(door)[-20:]) == {"h"}
    asked = len(sender.asked(Pli))
    await sender.layer_frames(60, "qhf")
    assert set(sender.asked(Pli)[asked:]) == {ssrc["f"]}
    assert set(names(door)[-60:]) == {"h"}
    await sender.layer_frames(10, "qhf", keys="f")
    assert set(names(door)[-10:]) == {"f"}
    await door.close_stream()


@in_virtual_time
async def test_a_layer_that_was_left_out_from_the_start_has_nobody_asked(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "q", keys="q")
    await sender.layer_frames(100, "q")
    assert sender.asked(Pli, Fir) == []
    assert set(names(door)) == {"q"}
    await door.close_stream()


@in_virtual_time
async def test_losses_of_a_layer_are_asked_of_that_layer(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    sender.layers["q"].sequence += 3
    await sender.layer_frames(30, "qhf")
    assert set(sender.asked(Pli, Fir)) == {sender.layers["q"].ssrc}
    await door.close_stream()


@in_virtual_time
async def test_a_crashed_simulcast_publisher_asks_for_keyframes(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    sender.caller.crash()
    await sender.layer_frames(40, "qhf")
    assert sender.layers["f"].ssrc in sender.asked(Pli, Fir)
    before = len(names(door))
    await sender.layer_frames(10, "qhf", keys="qhf")
    assert len(names(door)) == before + 12, "each layer's keyframe was better than the one before"
    await door.close_stream()


@in_virtual_time
async def test_a_viewer_of_a_layer_has_a_keyframe_of_it_made(system: System) -> None:
    door = Door(system)
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    session = await door.sessions.play(key("h"), WHEP_OFFER, "there", None, {})
    viewer = Caller(door, session)
    await viewer.connect()
    viewer.tell(Pli(1, viewer.ssrc(Kind.VIDEO)))
    await pass_time(20 * NS_PER_MS)
    assert sender.asked(Pli) == [sender.layers["h"].ssrc]
    await door.sessions.end(session)
    await door.close_stream()


@in_virtual_time
async def test_keys_that_are_somebody_elses_do_not_hurt_the_plain_stream(system: System) -> None:
    door = Door(system)
    other = await door.stage.publish(key=key("h"))
    sender = Sender(await door.send(offer=SIMULCAST_OFFER))
    await sender.layer_frames(5, "qhf", keys="qhf")
    await sender.layer_frames(20, "qhf")
    assert set(names(door)[3:]) == {"f"}
    assert set(names(door, key("q"))) == {"q"}
    assert isinstance(other, Source)
    assert other.lost == []
    assert log(door, key("h")) == []
    await door.close_stream()
