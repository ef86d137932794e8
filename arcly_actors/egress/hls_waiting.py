"""Requests that wait for the first playlist: bounded in number and in time."""

from collections import deque
from collections.abc import Callable

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_resources import GetMaster, GetMedia, Resource
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import LoopFuture


class Waiting:
    """Each request has a future that is settled once: with its answer or with `Refused`."""

    def __init__(self, wait_ns: int) -> None:
        self._wait_ns = wait_ns
        self._requests: deque[tuple[int, GetMaster | GetMedia, LoopFuture[Resource]]] = deque()

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def deadline(self) -> int | None:
        """When the first of them has waited long enough (monotonic ns)."""
        return self._requests[0][0] if self._requests else None

    def add(self, request: GetMaster | GetMedia, now: int) -> "LoopFuture[Resource]":
        """Let a request wait; raises `Refused` when too many do."""
        if len(self._requests) >= limits.HLS_WAITERS:
            raise Refused(Refusal.LIMIT, "too many players wait for the first segment")
        future: LoopFuture[Resource] = LoopFuture()
        self._requests.append((now + self._wait_ns, request, future))
        return future

    def answer(self, render: Callable[[GetMaster | GetMedia], Resource]) -> None:
        """Give everyone what they asked for."""
        while self._requests:
            _, request, future = self._requests.popleft()
            future.set(render(request))

    def refuse(self, refused: Refused) -> None:
        """Turn everyone away."""
        while self._requests:
            _refuse(self._requests.popleft()[2], refused)

    def expire(self, now: int, key: StreamKey) -> None:
        """Turn away who waited for long enough."""
        while self._requests and self._requests[0][0] <= now:
            detail = f"{key} has no segment after {self._wait_ns / NS_PER_S:g} s: is its encoder sending keyframes?"
            _refuse(self._requests.popleft()[2], Refused(Refusal.NOT_FOUND, detail))


def _refuse(future: "LoopFuture[Resource]", refused: Refused) -> None:
    future.fail(Refused(refused.refusal, refused.detail))
