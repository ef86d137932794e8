"""HTTP exchanges of one try of a sink, where an engine's seams see them: tapes hear, a scripted network answers."""

from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Asked, NoAnswer, Remote, Replied
from arcly_actors.transport.http_client import Exchange, HttpCall, HttpFailed, HttpReply


class HttpDial:
    """See the module. `ask` is who asks where there is a real network; `verify`: certificates have to be good."""

    def __init__(self, system: System, remote: Remote | None, ask: Exchange, *, verify: bool) -> None:
        self._system = system
        self._remote = remote
        self._ask = ask
        self._verify = verify
        self._try = 0

    async def begin(self, host: str, port: int) -> HttpFailed | None:
        """A new try, which has to be before anything is drawn or asked for it; why there can be none."""
        seams, remote = self._system.seams, self._remote
        await seams.may_dial()
        seams.dialling(remote, (host, port))
        if remote is None:
            return None
        self._try = remote.tries
        remote.answered = True  # a tape that begins from here on does not have what was drawn
        if not seams.refused(remote):
            return None
        failed = HttpFailed(f"{host}:{port}: connection refused")
        seams.undialled(remote, failed.detail)
        return failed

    async def ask(self, call: HttpCall) -> HttpReply | HttpFailed:
        """Ask."""
        seams, remote = self._system.seams, self._remote
        asked = Asked(call.method, call.url, call.headers, call.body)
        seams.asking(remote, self._try, asked)
        if seams.network is None:
            reply = await self._ask(call, self._verify)
        else:
            reply = await self._elsewhere(asked)
        if isinstance(reply, HttpReply):
            seams.replied(remote, self._try, Replied(reply.status, reply.headers, reply.body))
        else:
            seams.replied(remote, self._try, reply.detail)
        return reply

    async def _elsewhere(self, asked: Asked) -> HttpReply | HttpFailed:
        network = self._system.seams.network
        assert network is not None
        try:
            found = await network.ask(asked, self._remote, self._try)
        except NoAnswer as error:
            return HttpFailed(str(error))
        return HttpReply(found.status, found.headers, found.body)
