"""Editing scripts: cutting, redacting, and faults, each a pure function from a script to a script.

The faults are those of a topology (`topology.Fault`, with the operators of `script.faults`): `of` gives what one does to
a script, `read_fault` reads it as on the command line: ``loss 3%``, ``jitter 40ms``, ``crash publisher@2.5s``,
``disconnect rtmp-1@4s``, ``stall live/cam@2s+5s``, ``refuse pull@2s+5s``, ``clock-jump 1h@2s``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, Entropy, SeededEntropy
from arcly_actors.errors import ConfigurationError
from arcly_actors.script import faults as operators
from arcly_actors.script.faults import Passage
from arcly_actors.script.faulty_datagrams import shown
from arcly_actors.script.record import Record, Script, in_order
from arcly_actors.topology.injection import Fault, means, share
from arcly_actors.topology.values import duration, duration_text
from arcly_actors.transport.addresses import Address

Change = Callable[[Script, Entropy], Script]
"""What a fault does to a script."""

_STREAMED = frozenset({"in", "eof", "lost"})
_PACKETS = frozenset({"datagram", "rtp-in", "rtcp-in"})
"""What overtakes each other on its way, and may get lost for good."""

_SENT = frozenset({"send", "unpublish"})
_LOSABLE = frozenset({"in", "send"}) | _PACKETS
_OPENED, _OVER = frozenset({"open", "connected"}), frozenset({"lost", "closed"})
_ANSWERS = frozenset({"open", "found", "reply", "tracks"})
"""What a dial comes to, if it does: of what FFmpeg reads the tracks."""

_NOTICED = limits.SRT_PEER_SILENCE + NS_PER_S
"""After so long an engine has noticed that a peer is silent."""


def cut(script: Script, start: int = 0, end: int | None = None) -> Script:
    """What is between `start` and `end` (ns), from a new beginning.

    Connections that were open at `start` are left out: their bytes make no sense from the middle on; so are sources and
    sinks that began before. Publishers that are
    recorded by frames stay, from their next keyframe on.
    """
    stop = script.duration_ns if end is None else end
    if not 0 <= start < stop:
        raise ConfigurationError(f"nothing is between {start / 1e9:g} s and {stop / 1e9:g} s")
    before = [record for record in script.records if record.at < start]
    inside = [record for record in script.records if start <= record.at <= stop and record.kind != "end"]
    gone = {record.who for record in before if record.kind == "open"}
    begun = {record.who for record in before if record.kind == "remote"}  # what they dial is dialled no more
    gone |= {record.who for record in script.records if record.who in begun or dialler_of(record.who) in begun}
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


def loss(part: float, fault: Fault | None = None) -> Change:
    """That share (0 to 1) of packets, and of frames that a publisher sends, does not arrive; of a connection's bytes it
    comes late, as TCP sends again what is lost. Nobody sends a packet of a script again.
    """
    return lambda script, entropy: _passed(script, entropy, fault, loss=part)


def jitter(most: int, fault: Fault | None = None) -> Change:
    """What comes in is up to `most` ns late; within a connection it stays in order, packets do not."""
    return lambda script, entropy: _passed(script, entropy, fault, jitter=most)


def stall(who: str, at: int, length: int | None) -> Change:
    """Nothing comes of `who` for `length` ns (None: any more); then a connection's reads come, nothing else does."""

    def apply(script: Script, _entropy: Entropy) -> Script:
        names = _names(script)
        end = at + length if length is not None else None
        moved = []
        for record in script.records:
            met = record.kind in _STREAMED | _SENT | _PACKETS and means(who, *names.get(record.who, (record.who,)))
            if not met or record.at < at or (end is not None and record.at >= end):
                moved.append(record)
            elif end is not None and record.kind not in _PACKETS | {"send"}:
                moved.append(replace(record, at=end, fields=_without_turns(record)))
        return _in_order(script, moved)

    return apply


def refuse(who: str, at: int, length: int | None) -> Change:
    """What sources and sinks dial is refused that was answered within `length` ns (None: ever) from `at` on."""

    def apply(script: Script, _entropy: Entropy) -> Script:
        end = at + length if length is not None else script.duration_ns + 1
        remotes = _remotes(script)
        refused: set[str] = set()
        kept = []
        for record in script.records:
            dialler = dialler_of(record.who)
            answered = record.kind in _ANSWERS and "." not in record.who and dialler in remotes
            if answered and record.who not in refused and at <= record.at < end and means(who, *remotes[dialler]):
                refused.add(record.who)
                kept.append(Record(record.at, "unanswered", {"who": record.who, "why": "connection refused"}))
            elif record.who.partition(".")[0] not in refused:
                kept.append(record)
        return _in_order(script, kept)

    return apply


def crash(actor: str, at: int) -> Change:
    """An actor fails `at` ns after the beginning: one of the kinds in `faults.KINDS`."""
    return lambda script, _: _in_order(script, [*script.records, Record(at, "crash", {"actor": actor})])


def disconnect(at: int, who: str = "") -> Change:
    """A connection breaks at `at` ns: the oldest that is open then, of `who` (endpoint, stream or connection). Of one
    that sends datagrams nothing comes any more, which the engine is given the time to notice.
    """

    def apply(script: Script, _entropy: Entropy) -> Script:
        silent = {record.who: record.at for record in script.records if record.kind == "datagram"}
        before = [record for record in script.records if record.at <= at]
        over = {record.who for record in before if record.kind in _OVER}
        over |= {who for who, last in silent.items() if last <= at}
        remotes = _remotes(script)
        opened = {
            record.who: record.kind
            for record in before
            if record.who not in over
            and (record.kind in _OPENED or (record.kind == "tracks" and dialler_of(record.who) in remotes))
        }
        standing = list(opened)
        names = _names(script)
        met = [each for each in standing if means(who or "*", *names.get(each, (each,)))]
        met.sort(key=lambda each: names.get(each, ("", ""))[1].endswith(("-rtp", "-rtcp")))  # goes with its connection
        if not met:
            there = f"; there is {', '.join(standing) or 'nobody'}" if who else ""
            raise ConfigurationError(f"{who or 'nobody'} is {'not ' if who else ''}connected at {at / 1e9:g} s{there}")
        kept = [record for record in script.records if record.who != met[0] or record.at < at]
        if met[0] in silent:
            return _in_order(script, _lasting(kept, at + _NOTICED))
        end = Record(at, "lost", {"who": met[0], "error": "ConnectionResetError"})
        if opened[met[0]] == "connected":
            end = Record(at, "closed", {"who": met[0], "reason": "the peer is silent"})
        return _in_order(script, [*kept, end])

    return apply


def clock_jump(ns: int, at: int) -> Change:
    """The wall clock is set forward by `ns` at `at`."""
    return lambda script, _: _in_order(script, [*script.records, Record(at, "clock", {"jump": ns})])


def of(fault: Fault, length: int) -> Change:
    """What a fault does to a script that is `length` ns long."""
    at = fault.at if fault.at is not None else fault.every or 0
    times = range(at, max(at, length) + 1, fault.every) if fault.every is not None else (at,)
    if fault.loss is not None:
        return loss(fault.loss, fault)
    if fault.jitter is not None:
        return jitter(fault.jitter, fault)
    if fault.stall is not None:
        return stall(fault.stall, at, fault.length)
    if fault.refuse is not None:
        return refuse(fault.refuse, at, fault.length)
    if fault.crash is not None:
        return _each([crash(fault.crash, time) for time in times])
    if fault.disconnect is not None:
        return _each([disconnect(time, "" if fault.disconnect == "*" else fault.disconnect) for time in times])
    return clock_jump(fault.clock_jump or 0, at)


def read_fault(text: str, length: int) -> Change:
    """A fault as it is written; `length` (ns) is the script's. ConfigurationError for anything else."""
    name, _, argument = text.partition(" ")
    what, _, moment = argument.partition("@")
    if name == "loss" and argument:
        share(argument)  # says best what is wrong with it
        return of(operators.loss(argument), length)
    if name == "jitter" and argument:
        duration(argument)
        return of(operators.jitter(argument), length)
    if name in ("stall", "refuse") and moment:
        start, _, length_of = moment.partition("+")
        lasts = {"length": _time(length_of)} if length_of else {}
        operator = operators.stall if name == "stall" else operators.refuse
        return of(operator(what, _time(start), **lasts), length)
    if name == "crash" and moment:
        return of(operators.crash(what, _time(moment)), length)
    if name == "disconnect" and argument:
        return of(operators.disconnect((what if moment else "") or "*", _time(moment or what)), length)
    if name == "clock-jump" and argument:
        return of(operators.clock_jump(what, _time(moment) if moment else duration_text(length // 2)), length)
    raise ConfigurationError(
        f"{text!r} is no fault; there are: loss 3%, jitter 40ms, stall WHO@2s+5s, refuse WHO@2s+5s, crash ACTOR@2s, "
        "disconnect [WHO@]4s, clock-jump 1h[@2s]"
    )


def _time(text: str) -> str:
    duration(text)
    return text


def _each(changes: Iterable[Change]) -> Change:
    def apply(script: Script, entropy: Entropy) -> Script:
        for change in changes:
            script = change(script, entropy)
        return script

    return apply


def _passed(script: Script, entropy: Entropy, fault: Fault | None, *, loss: float = 0.0, jitter: int = 0) -> Script:
    """What comes in, after loss and jitter, each connection and publisher in its order."""
    ways: dict[str, Passage] = {}
    names = _names(script)
    moved = []
    for record in script.records:
        streamed = record.kind in _STREAMED
        meant = streamed or record.kind in _SENT or record.kind in _PACKETS
        if not meant or (fault is not None and not _is_on(fault, record, names)):
            moved.append(record)
            continue
        way = ways.setdefault(record.who, Passage(entropy, loss=loss, jitter=jitter, again=streamed))
        at = way.arrives(record.at, sure=record.kind not in _LOSABLE, ordered=record.kind not in _PACKETS)
        if at is not None:
            moved.append(replace(record, at=at, fields=_without_turns(record)))
    return _in_order(script, moved)


def _is_on(fault: Fault, record: Record, names: Mapping[str, tuple[str, ...]]) -> bool:
    start = fault.at or 0
    within = start <= record.at and (fault.length is None or record.at < start + fault.length)
    return within and means(fault.on, *names.get(record.who, (record.who,)))


def _names(script: Script) -> dict[str, tuple[str, ...]]:
    """What each connection and publisher can be called by: its name, its endpoint, the streams that it is about."""
    names: dict[str, tuple[str, ...]] = {}
    peers: dict[str, str] = {}
    remotes = _remotes(script)
    openers = {record.who.partition(".")[0] for record in script.records if record.kind == "session"}
    for record in script.records:
        if record.kind == "open":
            named = (record.who, *_endpoints(record, script.head.key))
            names[record.who] = (*named, *remotes.get(dialler_of(record.who), ()))
            if record.who not in openers:
                address = Address.parse(record.fields["peer"])
                peers[shown(record.fields["on"], (address.host, address.port))] = record.who
        elif record.kind == "session":
            kind = record.who.partition(".")[2].partition("-")[0]
            key = [record.fields["key"]] if "key" in record.fields else []
            names[record.who] = (record.who, kind, "webrtc", *key, *remotes.get(dialler_of(record.who), ()))
        elif record.kind == "tracks" and dialler_of(record.who) in remotes:
            names[record.who] = (record.who, *remotes[dialler_of(record.who)])
        elif record.kind in ("publish", "view") and "key" in record.fields:
            names[record.who] = (record.who, record.fields["key"])
        elif record.kind == "event":
            told = record.get("with", {})
            who = peers.get(str(told.get("peer", "")).replace("rtp://", "udp://"))
            if who is not None and "key" in told and told["key"] not in names[who]:
                names[who] = (*names[who], told["key"])
    return names


def _remotes(script: Script) -> dict[str, tuple[str, ...]]:
    """What each source and sink can be called by."""
    return {
        record.who: (record.who, record.fields["does"], record.fields["key"])
        for record in script.records
        if record.kind == "remote"
    }


def dialler_of(who: str) -> str:
    """The source or sink that dialled somebody, if one did: ``pull-1`` of ``pull-1-2`` and of ``pull-1-2.0-rtp``."""
    return who.partition(".")[0].rpartition("-")[0]


def _endpoints(opened: Record, key: str) -> tuple[str, ...]:
    """What a connection is called by where it came to. RTP over UDP is its RTSP endpoint's, too, and of the stream that
    the script is about, which it says nothing of itself.
    """
    on = str(opened.fields["on"])
    endpoint, _, channel = on.rpartition("-")
    return (on, endpoint, key) if channel in ("rtp", "rtcp") else (on,)


def apply(script: Script, faults: Iterable[Change], seed: int = 0) -> Script:
    """The script with these faults. What came out of the recorded engine is left out, for another thing will."""
    entropy = SeededEntropy(seed)
    for fault in faults:
        script = fault(script, entropy)
    came_in = tuple(record for record in script.records if record.comes_in)
    return replace(script, records=came_in, head=replace(script.head, exact=False, seed=seed))


def _without_turns(record: Record) -> dict[str, object]:
    return {name: value for name, value in record.fields.items() if name != "turns"}


def _in_order(script: Script, records: Iterable[Record]) -> Script:
    return replace(script, records=in_order(records))


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
