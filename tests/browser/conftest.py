"""The one browser of the session, and a tab of it per test."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.browser import FLAGS, Chromium, Tab, find_chromium, open_tab


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The session's browser; it starts when a test first opens a tab."""
    if (program := find_chromium()) is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed, and CI is set")
        pytest.skip("chromium is not installed")
    chromium = Chromium([program, *FLAGS])
    yield chromium
    chromium.close()


@pytest.fixture
async def tab(chromium: Chromium) -> AsyncIterator[Tab]:
    """A page in a fresh context; the test fails if it complained on its console."""
    async with open_tab(chromium) as tab:
        yield tab
    assert tab.complaints == []
