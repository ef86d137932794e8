"""Editing scripts: cutting, redacting, and faults, each a pure function from a script to a script.

The same faults stand in Python, on the command line (``arcly script edit``) and, as `apply` reads them, in a list of
texts: ``loss 3%``, ``jitter 40ms``, ``crash publisher@2.5s``, ``disconnect rtmp-1@4s``, ``clock-jump 1h@2s``.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, Entropy, SeededEntropy
from arcly_actors.errors import ConfigurationError
from arcly_actors.script.record import Record, Script
from arcly_actors.topology.values import duration

Fault = Callable[[Script, Entropy], Script]

_STREAMED = frozenset({"in", "eof", "lost"})
_PACKETS = frozenset({"datagram", "rtp-in", "rtcp-in"})
"""What may get lost for good, and overtakes each other on its way."""

_LOSABLE = _PACKETS | {"send"}
_NOTICED = limits.SRT_PEER_SILENCE + NS_PER_S
"""After so long an engine has noticed that a peer is silent."""


def cut(script: Script, start: int = 0, end: int | None = None) -> Script:
    """What is between `start` and `end` (ns), from a new beginning.

    Connections that were open at `start` are left out: their bytes make no sense from the middle on. Publishers that are
    recorded by frames stay, from their next keyframe on.
    """
    stop = script.duration_ns if end is None else end
    if not 0 <= start < stop:
        raise ConfigurationError(f"nothing is between {start / 1e9:g} s and {stop / 1e9:g} s")
    before = [record for record in script.records if record.at < start]
    inside = [record for record in script.records if start <= record.at <= stop and record.kind != "end"]
    gone = {record.who for record in before if record.kind == "open"}
    # A WebRTC session is called after the connection that opened it: `http-1.whip`.
    kept = [record for record in (*_standing(before), *inside) if record.who.partition(".")[0] not in gone]
    kept = list(_from_keyframes(kept, {record.who for record in before if record.kind == "publish"}))
    moved = [replace(record, at=max(0, record.at - start)) for record in kept]
    moved.append(Record(stop - start, "end", {"reason": "cut here"}))
    head = replace(
        script.head, monotonic_ns=script.head.monotonic_ns + start, wall_ns=script.head.wall_ns + start, exact=False
    )
    return replace(script, head=head, records=tuple(moved), cut=False)


def redact(script: Script) -> Script:
    """Without payloads, of which size and digest stay: to be shown, no longer to be replayed. Draws of entropy go."""
    return replace(script, records=tuple(record.hashed() for record in script.records if record.kind != "draw"))


def loss(share: float) -> Fault:
    """That share (0 to 1) of packets, and of frames that a publisher sends, does not arrive. Of a byte stream nothing
    gets lost. A recorded peer does not send again what is missing; what it is asked for can be seen.
    """

    def apply(script: Script, entropy: Entropy) -> Script:
        if not any(record.kind in _LOSABLE for record in script.records):
            raise ConfigurationError(
                "loss is for packets and frames, of which this script has none: a byte stream loses nothing"
            )
        kept = (record for record in script.records if record.kind not in _LOSABLE or entropy.uniform(0, 1) >= share)
        return replace(script, records=tuple(kept))

    return apply


def jitter(most: int) -> Fault:
    """What comes in is up to `most` ns late; within a connection it stays in order, packets overtake each other."""

    def apply(script: Script, entropy: Entropy) -> Script:
        latest: dict[str, int] = {}
        moved = []
        for record in script.records:
            if record.kind in _PACKETS:
                at = record.at + round(entropy.uniform(0, most))
                moved.append(replace(record, at=at, fields=_without_turns(record)))
                continue
            if record.kind not in _STREAMED and record.kind not in ("send", "unpublish"):
                moved.append(record)
                continue
            late = record.at + round(entropy.uniform(0, most))
            at = latest[record.who] = max(latest.get(record.who, 0), late)
            moved.append(replace(record, at=at, fields=_without_turns(record)))
        return _in_order(script, moved)

    return apply


def crash(actor: str, at: int) -> Fault:
    """An actor fails `at` ns after the beginning: publisher, subscriber, stream, gop, connection, listener."""
    return lambda script, _: _in_order(script, [*script.records, Record(at, "crash", {"actor": actor})])


def disconnect(at: int, who: str = "") -> Fault:
    """A connection breaks at `at` ns; without `who` the first one that is open then. Of a peer of a datagram socket
    nothing comes any more, which the engine is given the time to notice.
    """

    def apply(script: Script, _entropy: Entropy) -> Script:
        silent = {record.who: record.at for record in script.records if record.kind == "datagram"}
        before = [record for record in script.records if record.at <= at]
        over = {record.who for record in before if record.kind in ("lost", "closed")}
        over |= {who for who, last in silent.items() if last <= at}
        opened = {r.who: r.kind for r in before if r.kind in ("open", "connected") and r.who not in over}
        standing = list(opened)
        if who and who not in standing:
            raise ConfigurationError(
                f"{who} is not connected at {at / 1e9:g} s; there is {', '.join(standing) or 'nobody'}"
            )
        if not standing:
            raise ConfigurationError(f"nobody is connected at {at / 1e9:g} s")
        whose = who or standing[0]
        kept = [record for record in script.records if record.who != whose or record.at < at]
        if whose in silent:
            return _in_order(script, _lasting(kept, at + _NOTICED))
        end = Record(at, "lost", {"who": whose, "error": "ConnectionResetError"})
        if opened[whose] == "connected":
            end = Record(at, "closed", {"who": whose, "reason": "the peer is silent"})
        return _in_order(script, [*kept, end])

    return apply


def clock_jump(ns: int, at: int) -> Fault:
    """The wall clock is set forward by `ns` at `at`."""
    return lambda script, _: _in_order(script, [*script.records, Record(at, "clock", {"jump": ns})])


def read_fault(text: str, length: int) -> Fault:
    """A fault as it is written; `length` (ns) is the script's. ConfigurationError for anything else."""
    name, _, argument = text.partition(" ")
    what, _, moment = argument.partition("@")
    if name == "loss" and argument.endswith("%"):
        return loss(_share(argument))
    if name == "jitter":
        return jitter(duration(argument))
    if name == "crash" and moment:
        return crash(what, duration(moment))
    if name == "disconnect":
        return disconnect(duration(moment or what), what if moment else "")
    if name == "clock-jump":
        return clock_jump(duration(what.removeprefix("+")), duration(moment) if moment else length // 2)
    raise ConfigurationError(
        f"{text!r} is no fault; there are: loss 3%, jitter 40ms, crash ACTOR@2s, disconnect [WHO@]4s, clock-jump 1h[@2s]"
    )


def apply(script: Script, faults: Iterable[Fault], seed: int = 0) -> Script:
    """The script with these faults. What came out of the recorded engine is left out, for another thing will."""
    entropy = SeededEntropy(seed)
    for fault in faults:
        script = fault(script, entropy)
    came_in = tuple(record for record in script.records if record.comes_in)
    return replace(script, records=came_in, head=replace(script.head, exact=False, seed=seed))


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(f"{text!r} is not a share: write 3%")
    return share


def _without_turns(record: Record) -> dict[str, object]:
    return {name: value for name, value in record.fields.items() if name != "turns"}


def _in_order(script: Script, records: Iterable[Record]) -> Script:
    return replace(script, records=tuple(sorted(records, key=lambda record: (record.kind == "end", record.at))))


def _lasting(records: Iterable[Record], at: int) -> Iterable[Record]:
    """With an end that is not before `at`."""
    kept = [record for record in records if record.kind != "end"]
    ends = [record for record in records if record.kind == "end"] or [Record(at, "end")]
    return [*kept, *(replace(record, at=max(record.at, at)) for record in ends)]


def _standing(before: Iterable[Record]) -> list[Record]:
    """Of what was before: the entropy, and the publishers by frames with their latest tracks."""
    standing: dict[tuple[str, str], Record] = {}
    draws = []
    for record in before:
        if record.kind == "draw":
            draws.append(record)
        elif record.comes_in and record.kind in ("publish", "tracks"):
            standing[record.who, record.kind] = record
        elif record.kind == "unpublish":
            standing = {key: value for key, value in standing.items() if key[0] != record.who}
    return [*draws, *standing.values()]


def _from_keyframes(records: Iterable[Record], waiting: set[str]) -> Iterable[Record]:
    for record in records:
        if record.kind == "send" and record.who in waiting:
            if not record.get("keyframe"):
                continue
            waiting.discard(record.who)
        yield record
