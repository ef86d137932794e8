"""Sinks: streams that the engine pushes to servers elsewhere."""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.pushes import SCHEMES
from arcly_actors.errors import ConfigurationError
from arcly_actors.topology.section import Section
from arcly_actors.topology.sources import Key, check_dialled, read_url
from arcly_actors.topology.values import fault
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.urls import WHIP, Url

_KEYED: Final = WHIP | {"rtmp", "rtmps"}
"""Whose path has the stream key that a platform gives out."""


def _pushable(text: str) -> str:
    url = read_url(text, SCHEMES, keyed=True)
    check_dialled(url)
    if url.scheme in {"udp", "rtp"}:
        try:
            FeedAddress.parse(text)
        except ConfigurationError as error:
            raise fault("url", str(error)) from None
    return text


class Sink(Section):
    """One push. It waits for the stream, and is tried again for as long as the engine runs, whatever goes wrong."""

    key: Key = Field(description="which stream: application/name")
    url: Annotated[str, AfterValidator(_pushable)] = Field(
        description="where to: rtmp(s)://host/application/name, rtsp(s)://host/path, srt://host:port?…, "
        "udp://group:port?ttl=4, rtp://…, or whip:https://… (a WHIP endpoint)",
        repr=False,
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="RTSP media within the connection, or over udp")
    verify: bool = Field(default=True, description="TLS: the certificate has to be good; false takes any")
    token: str = Field(default="", description="WHIP: the bearer token", repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        url = Url.parse(self.url)
        if self.transport != "tcp" and url.scheme != "rtsp":
            raise fault("transport", f"{url.scheme} has no choice of transport", "only rtsp has", at="transport")
        if self.token and url.scheme not in WHIP:
            raise fault("token", f"{url.scheme} has no tokens", "only whip has", at="token")
        if self.token and (url.user or url.password):
            raise fault("token", "the URL has a user, too", "a server takes one of both", at="token")
        if not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise fault("token", "a token has no blanks, and ASCII only", at="token")
        if len(self.token) > limits.TOKEN_CHARACTERS:
            raise fault("token", f"a token has at most {limits.TOKEN_CHARACTERS} characters", at="token")
        return self

    def request(self) -> PushRequest:
        """The same, as a sink takes it."""
        url = Url.parse(self.url, keyed=Url.parse(self.url).scheme in _KEYED)
        key = StreamKey.parse(self.key)
        return PushRequest(key, url, verify=self.verify, transport=self.transport, token=self.token)
