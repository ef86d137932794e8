"""The rig with the real browser: hangs are bounded, and nothing is left behind."""

import psutil
import pytest

from tests.support.browser import Chromium, open_tab

pytestmark = pytest.mark.browser


def processes_of(profile: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(profile in argument for argument in command) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def test_nothing_is_left(chromium: Chromium) -> None:
    async with open_tab(chromium) as tab:
        assert await tab.evaluate("() => 6 * 7") == 42
    profile = chromium.profile()
    processes = processes_of(profile)
    names = " ".join(process.name() for process in processes)
    assert "chrom" in names
    assert all(process.nice() >= 5 for process in processes)
    assert "left=0" in chromium.close()
    assert processes_of(profile) == []


async def test_a_spinning_page_costs_one_tab(chromium: Chromium) -> None:
    async with open_tab(chromium) as tab:
        with pytest.raises(TimeoutError):
            await tab.evaluate("() => { while (true); }", within=1)
    async with open_tab(chromium) as tab:
        assert await tab.evaluate("() => 6 * 7") == 42


async def test_a_stopped_browser_is_replaced(chromium: Chromium) -> None:
    async with open_tab(chromium) as tab:
        profile = chromium.profile()
        for process in processes_of(profile):
            process.suspend()
        with pytest.raises(TimeoutError):
            await tab.evaluate("() => 1", within=1)
    assert processes_of(profile) == []
    async with open_tab(chromium) as tab:
        assert await tab.evaluate("() => 6 * 7") == 42
    assert chromium.profile() != profile
