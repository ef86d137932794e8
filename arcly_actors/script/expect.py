"""What hand-written scripts expect: ``{"expect": "KeyframeRequested", "within": "500ms"}``.

``frames`` expects frames of a viewer (``who``) or of any stream: ``count`` of them at least, DTS or PTS rising with
``monotonic``. ``no`` expects that nothing of that ``type`` comes. Anything else is the name of an event, of a message of
a session or of a kind of record; ``with`` tells fields that it has. Each looks at what is between its own time and
``within`` later (to the end of the script unless told).
"""

from collections.abc import Sequence

from arcly_actors.script.read import span
from arcly_actors.script.record import Record
from arcly_actors.script.replay import Replayed


def unmet(replayed: Replayed) -> list[str]:
    """A line for each expectation that was not met, with file and line."""
    script, made = replayed.script, [record for record in replayed.records if not record.comes_in]
    failures = []
    for expectation in script.records:
        if expectation.kind == "expect":
            problem = _unmet(expectation, made)
            if problem:
                failures.append(str(script.error(expectation, problem)))
    return failures


def _unmet(expectation: Record, made: Sequence[Record]) -> str:
    start = expectation.at
    within = expectation.get("within")
    end = start + span(within, "within") if within is not None else None
    seen = [record for record in made if record.at >= start and (end is None or record.at <= end)]
    seen = [record for record in seen if expectation.get("who") in (None, record.who)]
    what = expectation.fields["expect"]
    if what == "frames":
        return _frames(expectation, [record for record in seen if record.kind in ("frame", "seen")])
    wanted = expectation.get("type", "") if what == "no" else what
    found = [record for record in seen if wanted in (record.get("what"), record.kind) and _fits(expectation, record)]
    if what == "no":
        return f"expected no {wanted}, and it came at {found[0].at / 1e9:.3f} s" if found else ""
    count = int(expectation.get("count", 1))
    if len(found) >= count:
        return ""
    until = f"within {within}" if within is not None else "until the end"
    others = sorted({str(record.get("what")) for record in seen if "what" in record.fields})
    return f"expected {count} x {wanted} {until}, and {len(found)} came; there were {', '.join(others) or 'no messages'}"


def _fits(expectation: Record, record: Record) -> bool:
    told = record.get("with", {})
    return all(told.get(name) == value for name, value in expectation.get("with", {}).items())


def _frames(expectation: Record, frames: Sequence[Record]) -> str:
    count = int(expectation.get("count", 1))
    if len(frames) < count:
        return f"expected {count} frames, and {len(frames)} came"
    clock = expectation.get("monotonic")
    if clock is None:
        return ""
    if clock not in ("dts", "pts"):
        return f"'monotonic' is dts or pts, not {clock!r}"
    latest: dict[tuple[str, int], int] = {}
    for frame in frames:
        lane = (frame.who or str(frame.get("key")), frame.fields["track"])
        if frame.fields[clock] <= latest.get(lane, -1):
            return f"{clock} goes from {latest[lane]} to {frame.fields[clock]} at {frame.at / 1e9:.3f} s"
        latest[lane] = frame.fields[clock]
    return ""
