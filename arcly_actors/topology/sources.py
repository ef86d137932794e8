"""Sources: streams that the engine brings in itself, from cameras, other servers and files."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.ingest.pull import PullRequest, Transport
from arcly_actors.ingest.pulls import PULL_SCHEMES
from arcly_actors.ingest.source import SourcePlan
from arcly_actors.protocols.rtmp.address import client_address
from arcly_actors.protocols.srt.target import SrtTarget
from arcly_actors.topology.reading import DIRECTORY
from arcly_actors.topology.section import Section
from arcly_actors.topology.values import DurationNs, Within, fault
from arcly_actors.transport.urls import Url

_RTSP: Final = frozenset({"rtsp", "rtsps"})


def _read_key(text: str) -> str:
    try:
        return str(StreamKey.parse(text))
    except Refused as refused:
        raise fault("key", refused.detail) from None


Key = Annotated[str, AfterValidator(_read_key), WithJsonSchema({"type": "string", "examples": ["live/cam"]})]
"""A stream's key, ``application/name``."""


def read_url(text: str, schemes: frozenset[str], *, keyed: bool = False) -> Url:
    """The URL; a fault, which repeats nothing of it but the scheme, when it is none or of another scheme."""
    try:
        url = Url.parse(text, keyed=keyed)
    except ConfigurationError as error:
        raise fault("url", str(error)) from None
    if url.scheme not in schemes:
        raise fault(
            "scheme", f"{url.scheme[:20]!r} is not a scheme that works here", f"these do: {', '.join(sorted(schemes))}"
        )
    return url


def check_dialled(url: Url) -> None:
    """A fault when an SRT or RTMP URL says what cannot be."""
    try:
        if url.scheme == "srt":
            SrtTarget.of(url.host, url.port, url.query)
        elif url.scheme in {"rtmp", "rtmps"}:
            client_address(url.path, url.query)
    except (ConfigurationError, Refused) as error:
        raise fault("url", error.detail if isinstance(error, Refused) else str(error)) from None


def _pullable(text: str) -> str:
    check_dialled(read_url(text, PULL_SCHEMES))
    return text


class Source(Section):
    """One stream that is brought in. It is dialled again for as long as the engine runs, whatever goes wrong."""

    key: Key = Field(description="where it is published: application/name")
    url: Annotated[str, AfterValidator(_pullable)] = Field(
        description="rtsp://, rtmp://, srt://, http(s):// (HLS too), udp://… or a file, from this file's directory",
        repr=False,
    )
    transport: Transport = Field(
        default="auto", description="RTSP media over udp or tcp; auto: udp, and tcp when nothing comes"
    )
    on_demand: bool = Field(default=False, description="dial at the first viewer, hang up after the last")
    idle: Annotated[DurationNs, Within("0s", "24h")] = Field(
        default=limits.SOURCE_IDLE, description="on demand: how long it stays connected when nobody watches"
    )
    stall: Annotated[DurationNs, Within("1s", "10m")] = Field(
        default=limits.SOURCE_STALL,
        description="without a frame, or without a picture that can be decoded, for this long it is dialled anew",
    )
    loop: bool = Field(default=True, description="a file begins again at its end; false: its stream ends with it")
    verify: bool = Field(default=True, description="TLS: the certificate has to be good; false takes any")

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        url = Url.parse(self.url)
        if self.transport != "auto" and url.scheme not in _RTSP:
            raise fault("transport", f"{url.scheme} has no choice of transport", "only rtsp has", at="transport")
        directory = (info.context or {}).get(DIRECTORY)
        if url.scheme != "file" or directory is None:
            return self
        path: Path = directory / url.text
        if not path.exists() or path.is_dir():
            problem = "is a directory" if path.is_dir() else "cannot be read: no such file"
            raise fault("file", f"{path} {problem}", "a relative name starts from the topology's directory", at="url")
        return self.model_copy(update={"url": str(path)})

    def plan(self) -> SourcePlan:
        """The same, as a source takes it."""
        url = Url.parse(self.url)
        request = PullRequest(
            StreamKey.parse(self.key), url, self.transport, loop=self.loop, verify=self.verify, stall_ns=self.stall
        )
        return SourcePlan(request, on_demand=self.on_demand, idle_ns=self.idle)
