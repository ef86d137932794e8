import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from arcly_actors.media.codec import CodecId
from tests.support.certificates import write_certificate
from tests.support.streams import encode


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


ClipFile = Callable[..., str]


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> ClipFile:
    """Makes MP4 files of two seconds with a keyframe every third of a second, once for each kind."""
    folder = tmp_path_factory.mktemp("clips")

    def make(video: CodecId | None = CodecId.H264, audio: CodecId | None = CodecId.AAC, b_frames: int = 0) -> str:
        path = folder / f"{video}-{audio}-{b_frames}.mp4"
        if not path.exists():
            path.write_bytes(encode(video, audio, gop=10, b_frames=b_frames))
        return str(path)

    return make
