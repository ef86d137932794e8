"""Sinks: streams that the engine pushes to servers elsewhere."""

from typing import Annotated

from pydantic import AfterValidator, Field

from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.pushes import SCHEMES
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.protocols.rtmp.address import client_address
from arcly_actors.topology.section import Section
from arcly_actors.topology.sources import Key, check_srt, read_url
from arcly_actors.topology.values import fault
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.urls import Url


def _pushable(text: str) -> str:
    url = read_url(text, SCHEMES, keyed=True)
    if url.scheme.startswith("rtmp"):
        try:
            client_address(url.path, url.query)
        except Refused as refused:
            raise fault("url", refused.detail) from None
    elif url.scheme == "srt":
        check_srt(url)
    else:
        try:
            FeedAddress.parse(text)
        except ConfigurationError as error:
            raise fault("url", str(error)) from None
    return text


class Sink(Section):
    """One push. It waits for the stream, and is tried again for as long as the engine runs, whatever goes wrong."""

    key: Key = Field(description="which stream: application/name")
    url: Annotated[str, AfterValidator(_pushable)] = Field(
        description="where to: rtmp://host/application/name, rtmps://…, srt://host:port?…, udp://group:port?ttl=4, rtp://…",
        repr=False,
    )
    verify: bool = Field(default=True, description="TLS: the certificate has to be good; false takes any")

    def request(self) -> PushRequest:
        """The same, as a sink takes it."""
        return PushRequest(StreamKey.parse(self.key), Url.parse(self.url, keyed=True), verify=self.verify)
