"""What a frame costs before anybody is sent it: calls are the same in every run, so they may not grow unnoticed."""

import pytest

from bench.frames import CASES, Case, measure

MOST = {"RTMP": 37, "RTMP, RTP feed": 70, "RTSP over TCP": 100}
"""Python calls for each frame, rounded up from what was measured. One that is dearer now has to be worth it."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_frame_takes_no_more_calls_than_it_did(case: Case) -> None:
    cost = measure(case, timed=0)
    dearest = "\n".join(f"{count:6} {name}" for name, count in cost.functions.most_common(40))
    assert 0 < cost.calls <= MOST[case.name], (
        f"{cost.calls:.1f} calls a frame; of all frames that were counted:\n{dearest}"
    )
