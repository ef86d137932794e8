"""One RTP stream of a peer: what of it can be shown."""

from arcly_actors.clock import NS_PER_MS
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.sender_clock import AvSync
from tests.support.rtp_viewing import picture


def test_a_keyframe_whose_parameter_sets_are_lost_is_none() -> None:
    """Nobody could decode it, nor what follows. Seed 119 of a simulation: its first packets were overtaken."""
    source = RtpSource(0, "0", "", CodecId.H264, AvSync(), repairs=True)
    stream, packetiser = OutgoingStream(7, 102, 1), FORMATS[CodecId.H264].packetiser()
    now, shown = 0, list[MediaFrame]()
    for number in range(20):
        made = picture(number * 40, key=number in (0, 12), size=3000)
        packets = stream.build(packetiser.packetise(made), number * 3600)
        assert number or b"K@0" in packets[1], "the parameter sets go before it"
        for each in packets if number else packets[1:]:
            shown += source.receive(rtp.parse(each), now)
        now += 40 * NS_PER_MS
        assert source.needs_keyframe(now, 0) is (number < 12)
    assert [frame.keyframe for frame in shown] == [True] + [False] * 7
    assert shown[0].track.configuration
