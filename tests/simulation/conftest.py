"""Simulated actors fail by the dozen: their tracebacks are not kept, since they hold on to what has to go."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Log nothing."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
