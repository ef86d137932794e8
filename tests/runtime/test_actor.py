import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import Exited, Failed, LoopActor, System, WouldBlock, exit_error, receives
from arcly_actors.runtime.exits import monitors_of


@dataclass(frozen=True, slots=True)
class Note:
    text: str


@dataclass(frozen=True, slots=True)
class LoudNote(Note):
    pass


@dataclass(frozen=True, slots=True)
class Picture:
    number: int


@dataclass(frozen=True, slots=True)
class Fail:
    error: BaseException


class Scribe(LoopActor):
    media_types = (Picture,)
    media_bound = 4

    def __init__(self, system: System, log: list[Any]) -> None:
        super().__init__(system)
        self.log = log

    @receives(Note)
    def on_note(self, note: Note) -> str:
        self.log.append(note.text)
        return note.text.upper()

    @receives(Picture)
    def on_picture(self, picture: Picture) -> None:
        self.log.append(picture.number)

    @receives(Fail)
    def on_fail(self, fail: Fail) -> None:
        raise fail.error

    def on_stop(self) -> None:
        self.log.append("on_stop")

    def on_failure(self, kind: Any, error: Any, trace: Any) -> None:
        self.log.append(("on_failure", error))


class Watcher(LoopActor):
    def __init__(self, system: System, *refs: pykka.ActorRef[Any]) -> None:
        super().__init__(system)
        self.refs = refs
        self.exits: list[Exited] = []
        self.all_gone = system.loop.create_future()

    def on_start(self) -> None:
        for ref in self.refs:
            self.watch(ref)

    @receives(Exited)
    def on_exited(self, exited: Exited) -> None:
        self.exits.append(exited)
        if len(self.exits) == len(self.refs):
            self.all_gone.set_result(self.exits)


async def exits_of(system: System, *refs: pykka.ActorRef[Any]) -> list[Exited]:
    watcher = Watcher.start(system, *refs)
    actor = watcher._actor_weakref()
    assert actor is not None
    exits: list[Exited] = await actor.all_gone
    return exits


async def ask(ref: pykka.ActorRef[Any], message: object) -> Any:
    return await ref.ask(message, block=False)


async def test_messages_are_dispatched_on_their_type_and_answered(system: System) -> None:
    log: list[Any] = []
    ref = Scribe.start(system, log)
    ref.tell(Note("one"))
    assert await ask(ref, Note("two")) == "TWO"
    assert await ask(ref, LoudNote("three")) == "THREE"
    assert log == ["one", "two", "three"]


async def test_on_receive_sees_messages_first_when_overridden(system: System) -> None:
    seen: list[object] = []

    class Nosy(Scribe):
        def on_receive(self, message: Any) -> Any:
            seen.append(message)
            return super().on_receive(message)

    log: list[Any] = []
    ref = Nosy.start(system, log)
    assert await ask(ref, Note("one")) == "ONE"
    assert seen == [Note("one")]


async def test_a_subclass_overrides_a_receiver_by_its_name(system: System) -> None:
    class Quiet(Scribe):
        def on_note(self, note: Note) -> str:
            return note.text.lower()

    assert await ask(Quiet.start(system, []), Note("ONE")) == "one"


def test_a_coroutine_function_cannot_receive() -> None:
    async def on_note(self: object, note: Note) -> None: ...

    with pytest.raises(TypeError, match="spawn"):
        receives(Note)(on_note)


# --- trap: waiting for a reply stops the loop


async def test_blocking_calls_on_the_loop_are_refused_and_send_nothing(system: System) -> None:
    log: list[Any] = []
    ref = Scribe.start(system, log)
    with pytest.raises(WouldBlock, match="await"):
        ref.ask(Note("never"))
    with pytest.raises(WouldBlock, match="await"):
        ref.stop()
    future = ref.ask(Note("two"), block=False)
    with pytest.raises(WouldBlock, match="await"):
        future.get()
    assert await future == "TWO"
    assert future.get() == "TWO"  # it is there: nothing to wait for
    assert log == ["two"]


async def test_ask_from_another_thread_blocks_that_thread_only(system: System) -> None:
    ref = Scribe.start(system, [])
    assert await asyncio.to_thread(ref.ask, Note("far"), timeout=10) == "FAR"
    assert await asyncio.to_thread(ref.stop, timeout=10) is True
    assert await asyncio.to_thread(ref.stop, timeout=10) is False


# --- trap: a BaseException stops every actor of the process


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), GeneratorExit(), BaseException("odd")])
async def test_a_stray_base_exception_ends_one_actor(system: System, error: BaseException) -> None:
    log: list[Any] = []
    bystander, victim = Scribe.start(system, []), Scribe.start(system, log)
    victim.tell(Fail(error))
    assert await exits_of(system, victim) == [Exited(victim, victim.actor_urn, error)]
    assert log == [("on_failure", error)]
    assert await ask(bystander, Note("alive")) == "ALIVE"


async def test_a_stray_cancellation_does_not_cancel_the_asker(system: System) -> None:
    ref = Scribe.start(system, [])
    with pytest.raises(ActorDeadError, match="CancelledError"):
        await ask(ref, Fail(asyncio.CancelledError()))
    assert isinstance(exit_error(ref), asyncio.CancelledError)


# --- trap: failures that nobody hears of


async def test_a_failing_on_start_is_a_failure_like_any_other(system: System) -> None:
    failures: list[Failed] = []
    system.failures.subscribe(failures.append)
    error = LookupError("no such camera")

    class Stillborn(Scribe):
        def on_start(self) -> None:
            raise error

    log: list[Any] = []
    ref = Stillborn.start(system, log)
    waiting = ref.ask(Note("anyone?"), block=False)
    assert await exits_of(system, ref) == [Exited(ref, ref.actor_urn, error)]
    assert failures == [Failed(ref, ref.actor_urn, error)]
    assert log == [("on_failure", error)]
    with pytest.raises(ActorDeadError):
        await waiting
    assert ref not in ActorRegistry.get_all()


async def test_a_defect_in_an_ask_is_answered_and_reported(system: System) -> None:
    error = ZeroDivisionError("a defect")
    log: list[Any] = []
    ref = Scribe.start(system, log)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        await ask(ref, Fail(error))
    assert (await exits_of(system, ref))[0].error is error
    assert log == [("on_failure", error)]
    assert system.failures.count == 1


async def test_a_refusal_in_an_ask_is_an_answer(system: System) -> None:
    ref = Scribe.start(system, [])
    with pytest.raises(Refused, match="slot"):
        await ask(ref, Fail(Refused(Refusal.BUSY, "the slot is taken")))
    assert await ask(ref, Note("alive")) == "ALIVE"
    assert system.failures.count == 0


async def test_a_failing_on_stop_is_reported(system: System) -> None:
    class Sore(Scribe):
        def on_stop(self) -> None:
            raise OSError("disk full")

    ref = Sore.start(system, [])
    assert await ref.stop(block=False) is True
    assert isinstance(exit_error(ref), OSError)
    assert ref not in ActorRegistry.get_all()


async def test_failing_hooks_and_observers_do_not_hide_the_first_error(system: System) -> None:
    def broken_observer(failed: Failed) -> None:
        raise RuntimeError("observer")

    class Sore(Scribe):
        def on_failure(self, kind: Any, error: Any, trace: Any) -> None:
            raise OSError("cannot even log")

    system.failures.subscribe(broken_observer)
    error = ValueError("first")
    ref = Sore.start(system, [])
    ref.tell(Fail(error))
    assert (await exits_of(system, ref))[0].error is error


# --- trap: the inbox


async def test_media_is_bounded_and_control_never_dropped(system: System) -> None:
    log: list[Any] = []
    ref = Scribe.start(system, log)
    await ask(ref, Note("ready"))
    for number in range(10):
        ref.tell(Picture(number))
        ref.tell(Note(f"n{number}"))
    stopped = ref.stop(block=False)
    actor = ref._actor_weakref()
    assert actor is not None
    assert actor.dropped == 6
    assert await stopped is True
    notes = [f"n{number}" for number in range(10)]
    assert log == ["ready", 0, notes[0], 1, notes[1], 2, notes[2], 3, *notes[3:], "on_stop"]


async def test_the_media_lane_empties_as_it_is_read(system: System) -> None:
    log: list[Any] = []
    ref = Scribe.start(system, log)
    for number in range(12):
        ref.tell(Picture(number))
        if number % 4 == 3:
            await ask(ref, Note("read"))
    assert [entry for entry in log if entry != "read"] == list(range(12))


async def test_media_from_another_thread_is_bounded_too(system: System) -> None:
    log: list[Any] = []
    ref = Scribe.start(system, log)
    await ask(ref, Note("ready"))

    def flood() -> None:
        for number in range(100):
            ref.tell(Picture(number))
        ref.tell(Note("control"))

    flooder = threading.Thread(target=flood)
    flooder.start()
    flooder.join()  # the loop stands still meanwhile: nothing is read
    actor = ref._actor_weakref()
    assert actor is not None
    assert actor.dropped == 96
    await asyncio.to_thread(ref.ask, Note("end"), timeout=10)
    assert log == ["ready", 0, 1, 2, 3, "control", "end"]


# --- ends


async def test_a_dead_actor_says_so(system: System) -> None:
    ref = Scribe.start(system, [])
    await ref.stop(block=False)
    assert not ref.is_alive()
    with pytest.raises(ActorDeadError):
        ref.tell(Note("too late"))
    with pytest.raises(ActorDeadError):
        await ask(ref, Note("too late"))
    assert await ref.stop(block=False) is False


async def test_what_waits_behind_a_stop_is_answered(system: System) -> None:
    ref = Scribe.start(system, [])
    first, second = ref.stop(block=False), ref.stop(block=False)
    late = ref.ask(Note("late"), block=False)
    assert (await first, await second) == (True, True)
    with pytest.raises(ActorDeadError, match="before handling"):
        await late


async def test_stop_self_stops_after_this_message_and_gives_its_reason(system: System) -> None:
    class Leaver(Scribe):
        def on_note(self, note: Note) -> str:
            self.stop_self("had enough")
            return super().on_note(note)

    log: list[Any] = []
    ref = Leaver.start(system, log)
    first = ref.ask(Note("one"), block=False)
    second = ref.ask(Note("two"), block=False)
    assert await first == "ONE"
    with pytest.raises(ActorDeadError):
        await second
    assert log == ["one", "on_stop"]
    (exited,) = await exits_of(system, ref)
    assert (exited.error, exited.reason) == (None, "had enough")


async def test_watching_the_living_and_the_dead(system: System) -> None:
    dead, dying = Scribe.start(system, []), Scribe.start(system, [])
    await dead.stop(block=False)
    watcher = Watcher.start(system, dead, dying)
    actor = watcher._actor_weakref()
    assert actor is not None
    dying.stop(block=False)
    exits = await actor.all_gone
    assert [(exited.ref, exited.error) for exited in exits] == [(dead, None), (dying, None)]


async def test_a_dead_watcher_is_forgotten(system: System) -> None:
    target = Scribe.start(system, [])
    watcher = Watcher.start(system, target)
    await watcher.stop(block=False)
    assert monitors_of(target).watchers == {}
    await target.stop(block=False)


async def test_plain_pykka_actors_cannot_be_watched(system: System) -> None:
    class Plain(pykka.ThreadingActor):
        pass

    plain = Plain.start()
    ref = Watcher.start(system, plain)
    (exited,) = await exits_of(system, ref)
    assert isinstance(exited.error, TypeError)
    await asyncio.to_thread(plain.stop)


async def test_an_actor_leaves_nothing_behind(system: System) -> None:
    ref = Scribe.start(system, [])
    await ref.stop(block=False)
    assert ref._actor_weakref() is None, "the actor is freed without the cycle collector"


# --- timers and tasks


class Busy(Scribe):
    @receives(str)
    def on_word(self, word: str) -> None:
        self.log.append(word)

    @receives(int)
    def on_delay(self, delay_ns: int) -> None:
        self.after(delay_ns, f"after {delay_ns}")

    @receives(tuple)
    def on_work(self, work: tuple[Any, Any]) -> None:
        self.spawn(work[0], then=work[1])


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_result_of_a_task_comes_as_a_message(system: System) -> None:
    log: list[Any] = []
    ref = Busy.start(system, log)
    asked = Scribe.start(system, [])

    async def work() -> str:
        return str(await ask(asked, Note("deep")))

    ref.tell((work(), lambda result: Note(f"got {result}")))
    while "got DEEP" not in log:
        await ask(ref, "tick")
    assert log.count("got DEEP") == 1


async def test_the_failure_of_a_task_is_the_actors(system: System) -> None:
    async def work() -> None:
        raise KeyError("lost")

    ref = Busy.start(system, [])
    ref.tell((work(), None))
    (exited,) = await exits_of(system, ref)
    assert isinstance(exited.error, KeyError)


async def test_tasks_and_timers_end_with_their_actor(system: System) -> None:
    log: list[Any] = []
    ref = Busy.start(system, log)
    ref.tell((forever(), None))
    ref.tell(10**15)
    await ask(ref, "ready")
    actor = ref._actor_weakref()
    assert actor is not None
    (task,), (timer,) = actor._tasks, actor._timers
    await ref.stop(block=False)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert timer._handle.cancelled()


# --- deferred answers


class Clerk(LoopActor):
    """Forwards what it is asked and answers with the other's answer."""

    def __init__(self, system: System, office: pykka.ActorRef[Any]) -> None:
        super().__init__(system)
        self.office = office

    @receives(Note, Fail)
    def on_letter(self, letter: Note | Fail) -> Any:
        return self.office.ask(letter, block=False)


class Silent(LoopActor):
    @receives(Note)
    def on_note(self, note: Note) -> Any:
        return self._create_future()


async def test_a_future_answers_when_it_settles(system: System) -> None:
    clerk = Clerk.start(system, Scribe.start(system, []))
    assert await ask(clerk, Note("please")) == "PLEASE"
    with pytest.raises(LookupError):
        await ask(clerk, Fail(LookupError("unknown")))
    assert clerk.is_alive()


async def test_an_answer_still_owed_at_the_end_is_an_error(system: System) -> None:
    ref = Silent.start(system)
    waiting = ref.ask(Note("hello?"), block=False)
    await ref.stop(block=False)
    with pytest.raises(ActorDeadError, match="before it answered"):
        await waiting
