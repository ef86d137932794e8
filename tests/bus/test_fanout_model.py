"""Fan-out under any mixture of what viewers do: what each has got is always a possible history of the stream."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import given, settings

from arcly_actors.bus.policy import ApplicationPolicy, GopBound, Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import System, run_virtual
from tests.bus.fan import Fan, Seat
from tests.support.virtual import pass_time

ACTS = ("join", "join", "live", "leave", "return", "stall", "trickle", "drain", "burst", "wait")
SCRIPT = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 9), st.integers(1, 40)), max_size=40)


@dataclass
class History:
    """A scenario under way."""

    fan: Fan
    sent: list[str] = field(default_factory=list)
    seats: list[Seat] = field(default_factory=list)
    away: set[int] = field(default_factory=set)

    async def act(self, act: str, who: int, amount: int) -> None:
        number = who % len(self.seats) if self.seats else -1
        if act in {"join", "live"}:
            self.seats.append(self.fan.join(Join.LIVE if act == "live" else Join.INSTANT))
        elif act == "burst":
            self.sent += self.fan.send(amount, gop=7, size=20 * who)
        elif act == "wait":
            self.sent += await self.fan.play(amount, gop=7, size=20 * who)
        elif number >= 0:
            self._do(act, number, amount)
        self.sent += await self.fan.play(1, gop=7, size=10)

    def _do(self, act: str, number: int, amount: int) -> None:
        seat = self.seats[number]
        if act == "leave":
            self.fan.fanout.detach(seat.place)
            self.away.add(number)
        elif act == "return" and number in self.away and seat.out is None:
            self.fan.fanout.attach(seat.place)
            self.away.discard(number)
        elif act == "stall":
            seat.outlet.stall()
        elif act == "trickle":
            seat.outlet.make_room(20 * amount)
        elif act == "drain":
            seat.outlet.make_room(None)

    def check_all(self) -> None:
        """Each got a keyframe first, nothing twice, nothing out of order, and gaps only in front of keyframes."""
        for seat in self.seats:
            frames, at = seat.frames, -1
            skipped = 0
            for token in frames:
                found = self.sent.index(token, at + 1)
                if found != at + 1:
                    assert token.startswith("K")
                    skipped += found - at - 1 if at >= 0 else 0
                at = found
            assert seat.tokens[:1] in ([], [f"<open {frames[0][1:]}>" if frames else ""])
            assert sum(token.startswith("<open") for token in seat.tokens) <= 1
            assert skipped <= seat.place.skipped == sum(seat.skips)

    def check_live(self) -> None:
        """Whoever reads and was not put out is up to date."""
        for number, seat in enumerate(self.seats):
            if number not in self.away and seat.out is None and not seat.outlet.pending:
                assert seat.frames[-1:] == self.sent[-1:]
                assert self.fan.fanout.qos(seat.place).frames == len(seat.frames)


@given(SCRIPT, st.sampled_from([(512, 10), (8, 2)]), st.sampled_from([0, 30]))
@settings(max_examples=80)
def test_every_history_is_possible(script: list[tuple[str, int, int]], bound: tuple[int, int], crowd: int) -> None:
    async def scenario(system: System) -> None:
        gop = GopBound(frames=bound[0], size=bound[0] * 80, duration_ns=bound[1] * NS_PER_S)
        history = History(Fan(system, ApplicationPolicy(gop=gop, max_lag_ns=2 * NS_PER_S)))
        for _ in range(crowd):
            history.fan.join()
        for act, who, amount in script:
            await history.act(act, who, amount)
            history.check_all()
        for seat in history.seats:
            seat.outlet.make_room(None)
        history.sent += await history.fan.play(15, gop=7)
        await pass_time(200 * NS_PER_MS)
        history.check_all()
        history.check_live()

    run_virtual(scenario)
