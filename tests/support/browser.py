"""Headless Chromium for tests: one process tree for the whole session, guarded by a warden; one page per test.

Chromium is started by `warden.py`, never by the test process, and spoken to over DevTools on a loopback port. So a test
session that hangs or is killed leaves nothing behind, and a browser that hangs is replaced for the next test.
"""

import asyncio
import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import Browser, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

T = TypeVar("T")

WARDEN = Path(__file__).with_name("warden.py")
LOCK = Path(tempfile.gettempdir()) / "arcly-browser.lock"
PROGRAMS = ("/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome")
# The binary before Debian's wrapper, which would add --enable-gpu-rasterization where there is no GPU.

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-port=0",
    "--user-data-dir={profile}",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,InterestFeedContentSuggestions",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-service-autorun",
    "--no-pings",
    "--password-store=basic",
    "--use-mock-keychain",
    "--renderer-process-limit=1",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a camera that draws and a microphone that beeps
    "--use-fake-ui-for-media-stream",  # and nobody to ask
    "--window-size=1280,800",
    "about:blank",
)

SILENCE_S = 90.0  # a test is bounded to 60 s and touches the browser at both ends
DEADLINE_S = 840.0  # within the 900 s that the browser tests have as a whole
LAUNCH_S = 15.0
LOCKED_S = 20.0
ENDING_S = 20.0
ACTION_S = 10.0
CLOSE_S = 5.0


class BrowserFailed(Exception):
    """The browser could not be started or did not end; the text has its last lines."""


def find_chromium() -> str | None:
    """The installed browser's path."""
    return next((path for program in PROGRAMS if (path := shutil.which(program))), None)


class Guarded:
    """One program under a warden of its own; `reports` holds what the warden said: word -> the rest of its line."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        silence: float = SILENCE_S,
        deadline: float = DEADLINE_S,
        lock: Path | None = LOCK,
    ) -> None:
        self.reports: dict[str, str] = {}
        self.tail: list[str] = []
        self._partial = ""
        self._warden = subprocess.Popen(
            [sys.executable, "-I", str(WARDEN), str(silence), str(deadline), str(lock or "-"), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def warden_pid(self) -> int:
        """The supervising process."""
        return self._warden.pid

    def touch(self) -> None:
        """Tell the warden that the tests are alive."""
        assert self._warden.stdin is not None
        with contextlib.suppress(OSError):
            os.write(self._warden.stdin.fileno(), b".")

    def hear(self, words: tuple[str, ...], within: float) -> bool:
        """Read reports until one of `words` is among them; False after `within` seconds or at their end."""
        assert self._warden.stdout is not None
        until = time.monotonic() + within
        with selectors.DefaultSelector() as selector:
            selector.register(self._warden.stdout, selectors.EVENT_READ)
            while not any(word in self.reports for word in words):
                if not selector.select(max(0.0, until - time.monotonic())):
                    return False
                if not (data := os.read(self._warden.stdout.fileno(), 65536)):
                    return False
                *lines, self._partial = (self._partial + data.decode()).split("\n")
                for line in lines:
                    word, _, rest = line.partition(" ")
                    if word == "|":
                        self.tail.append(rest)
                    else:
                        self.reports[word] = rest
        return True

    def alive(self) -> bool:
        """Whether the program still runs."""
        return not self.hear(("ended",), 0) and self._warden.poll() is None

    def await_devtools(self, locked: float = LOCKED_S, launch: float = LAUNCH_S) -> str:
        """The DevTools address, once it listens; BrowserFailed says what came instead."""
        if not self.hear(("started",), locked):
            raise BrowserFailed(f"process {self.reports.get('waiting', '?')} has {LOCK}: one browser at a time")
        self.hear(("listening", "ended"), launch)
        if "listening" not in self.reports:
            raise BrowserFailed(f"no DevTools within {launch:.0f} s; ended: {self.reports.get('ended', 'no')}")
        return self.reports["listening"]

    def end(self) -> str:
        """End all of it and return the warden's last report; BrowserFailed when something is left."""
        assert self._warden.stdin is not None
        assert self._warden.stdout is not None
        if self._warden.stdout.closed:
            return self.reports.get("ended", "never started")
        self._warden.stdin.close()
        self.hear(("ended",), ENDING_S)
        try:
            status = self._warden.wait(ENDING_S)
            self.hear(("end of file",), 1)  # the rest: the program's last lines
        except subprocess.TimeoutExpired:
            self._warden.kill()  # the program dies with it
            status = self._warden.wait(ENDING_S)
        self._warden.stdout.close()
        if status and "started" in self.reports:
            shutil.rmtree(self.reports["started"], ignore_errors=True)
        if status:
            raise BrowserFailed(f"the warden ended with {status}: {self.reports.get('ended', 'no report')}")
        return self.reports.get("ended", "never started")


class Chromium:
    """The session's browser: started when first wanted, once more with a fresh profile if that fails, or if it dies."""

    ATTEMPTS = 2

    def __init__(self, command: Sequence[str], **bounds: Any) -> None:
        self._command = command
        self._bounds = bounds
        self._guarded: Guarded | None = None
        self.launches = 0

    def endpoint(self) -> str:
        """The DevTools address of a living browser; BrowserFailed after the second failure to start one."""
        if self._guarded is not None and self._guarded.alive():
            self._guarded.touch()
            return self._guarded.reports["listening"]
        for attempt in range(self.ATTEMPTS):
            self.close()
            self._guarded = guarded = Guarded(self._command, **self._bounds)
            self.launches += 1
            try:
                return guarded.await_devtools()
            except BrowserFailed as failure:
                ended = self.close()
                if attempt == self.ATTEMPTS - 1:
                    raise BrowserFailed("\n".join([str(failure), ended, *guarded.tail])) from None
        raise AssertionError

    def profile(self) -> str:
        """The living browser's profile directory: every process of it names it."""
        assert self._guarded is not None
        return self._guarded.reports["started"]

    def close(self) -> str:
        """End the browser, if there is one; returns how it ended."""
        guarded, self._guarded = self._guarded, None
        return guarded.end() if guarded is not None else "never started"


class Tab:
    """One page in a context of its own. Every action has a deadline; what the page complains about is collected."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text, message.location))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _heard(self, kind: str, text: str, where: Mapping[str, Any]) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text} ({where.get('url', '')})")

    async def open(self, url: str) -> int:
        """Load `url`; returns its HTTP status."""
        response = await self.page.goto(url, wait_until="load", timeout=ACTION_S * 1000)
        assert response is not None
        return response.status

    async def leave(self) -> None:
        """Go to an empty page."""
        await self.page.goto("about:blank", timeout=ACTION_S * 1000)

    @contextlib.asynccontextmanager
    async def visiting(self, server: contextlib.AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """A server for the length of the block. It is left before it ends: what a page asks a server that is gone fails,
        and the browser complains of that."""
        async with server as entered:
            try:
                yield entered
            finally:
                await self.leave()

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator["Tab"]:
        """Another page beside this one, for the length of the block; what it complains about counts as this one's."""
        tab = Tab(await asyncio.wait_for(self.page.context.new_page(), ACTION_S))
        try:
            yield tab
        finally:
            await tab.leave()
            await asyncio.wait_for(tab.page.close(), ACTION_S)
            self.complaints += tab.complaints

    async def evaluate(self, function: str, argument: object = None, within: float = ACTION_S) -> Any:
        """What the JavaScript function (source text, may be async) returns."""
        return await asyncio.wait_for(self.page.evaluate(function, argument), within)

    async def until(self, expression: str, within: float = 20.0) -> Any:
        """The JavaScript expression's value, once it is truthy; TimeoutError says what it was last."""
        poll = """async ([milliseconds]) => {
            const end = performance.now() + milliseconds;
            let value;
            while (!(value = (EXPRESSION)) && performance.now() < end) await new Promise((wake) => setTimeout(wake, 50));
            return value;
        }""".replace("EXPRESSION", expression)
        value = await self.evaluate(poll, [within * 1000], within + ACTION_S)
        if not value:
            raise TimeoutError(f"{expression} is {value!r} after {within} s; complaints: {self.complaints}")
        return value

    async def screenshot(self, path: Path) -> None:
        """Write a PNG of what is visible."""
        await self.page.screenshot(path=path, timeout=ACTION_S * 1000)


async def connect(playwright: Playwright, chromium: Chromium) -> Browser:
    """A DevTools connection to the session's browser."""
    endpoint = await asyncio.to_thread(chromium.endpoint)
    return await asyncio.wait_for(playwright.chromium.connect_over_cdp(endpoint), ACTION_S)


@contextlib.asynccontextmanager
async def open_tab(chromium: Chromium, **context_options: Any) -> AsyncIterator[Tab]:
    """A tab in a fresh context; a browser that does not close it in time is ended, and the next tab starts another."""
    async with async_playwright() as playwright:
        try:
            browser = await connect(playwright, chromium)
        except (TimeoutError, PlaywrightError):  # it hangs, or died this very moment
            await asyncio.to_thread(chromium.close)
            browser = await connect(playwright, chromium)
        context = await asyncio.wait_for(browser.new_context(**context_options), ACTION_S)
        context.set_default_timeout(ACTION_S * 1000)
        try:
            yield Tab(await asyncio.wait_for(context.new_page(), ACTION_S))
        finally:
            try:
                await asyncio.wait_for(context.close(), CLOSE_S)
                await asyncio.wait_for(browser.close(), CLOSE_S)
            except (TimeoutError, PlaywrightError):
                await asyncio.to_thread(chromium.close)
