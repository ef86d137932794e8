"""Sinks: streams that the engine pushes to servers elsewhere."""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.pushes import SCHEMES
from arcly_actors.errors import Refused
from arcly_actors.protocols.rtmp.address import client_address
from arcly_actors.topology.section import Section
from arcly_actors.topology.sources import Key, read_url
from arcly_actors.topology.values import fault
from arcly_actors.transport.urls import Url

_KEYED: Final = frozenset({"rtmp", "rtmps"})
"""Whose last part of the path is the stream key that a platform gives out."""


def _pushable(text: str) -> str:
    url = read_url(text, SCHEMES, keyed=True)
    if url.scheme.startswith("rtmp"):
        try:
            client_address(url.path, url.query)
        except Refused as refused:
            raise fault("url", refused.detail) from None
    return text


class Sink(Section):
    """One push. It waits for the stream, and is tried again for as long as the engine runs, whatever goes wrong."""

    key: Key = Field(description="which stream: application/name")
    url: Annotated[str, AfterValidator(_pushable)] = Field(
        description="where to: rtmp://host/application/name, rtsp://host/path, or rtmps://… and rtsps://…", repr=False
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="RTSP media within the connection, or over udp")
    verify: bool = Field(default=True, description="TLS: the certificate has to be good; false takes any")

    @model_validator(mode="after")
    def _check(self) -> Self:
        scheme = Url.parse(self.url).scheme
        if self.transport != "tcp" and scheme != "rtsp":
            raise fault("transport", f"{scheme} has no choice of transport", "only rtsp has", at="transport")
        return self

    def request(self) -> PushRequest:
        """The same, as a sink takes it."""
        keyed = Url.parse(self.url).scheme in _KEYED
        url = Url.parse(self.url, keyed=keyed)
        return PushRequest(StreamKey.parse(self.key), url, verify=self.verify, transport=self.transport)
