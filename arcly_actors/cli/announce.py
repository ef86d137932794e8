"""What a person who starts the server reads first: where to publish, where to play, how to stop it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from rich.text import Text

from arcly_actors.transport.addresses import Address
from arcly_actors.version import VERSION

ANY_NAME: Final = "NAME"
"""Stands for a stream's name where the reader chooses it."""

_SHOWN: Final = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 - a wildcard is no address to connect to
_DEFAULT_PORTS: Final = {"rtmp": 1935, "rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def address_of(scheme: str, address: Address) -> str:
    """``scheme://host[:port]``, with a host that this machine can connect to and no port that goes without saying."""
    shown = Address(_SHOWN.get(address.host, address.host), address.port)
    text = f"{scheme}://{shown}"
    return text.removesuffix(f":{address.port}") if _DEFAULT_PORTS.get(scheme) == address.port else text


def is_local(address: Address) -> bool:
    """Whether only this machine can connect there."""
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"


def urls(bound: Mapping[str, Sequence[Address]], key: str, *, https: bool = False) -> list[tuple[str, str]]:
    """(label, URL) of everything that listens (`Engine.addresses`), for the stream `key`."""
    found: dict[str, list[str]] = {"publish": [], "play": [], "page": []}
    for name in ("rtmp", "rtmps", "rtsp", "rtsps"):
        for address in bound.get(name, ()):
            text = f"{address_of(name, address)}/{key}"
            found["publish"].append(text)
            found["play"].append(text)
    for address in bound.get("srt", ()):
        base = address_of("srt", address)
        found["publish"].append(f"{base}?streamid=publish:{key}")
        found["play"].append(f"{base}?streamid=read:{key}")
    for address in bound.get("http", ()):
        base = address_of("https" if https else "http", address)
        found["play"] += [f"{base}/{key}.flv", f"{base}/{key}.ts", f"{base}/{key}/index.m3u8"]
        if "webrtc" in bound:
            found["publish"].append(f"{base}/{key}/whip")
            found["play"].append(f"{base}/{key}/whep")
        found["page"].append(f"{base}/")
    return [(label, url) for label, every in found.items() for url in every]


def announcement(
    bound: Mapping[str, Sequence[Address]], applications: Sequence[str], *, https: bool, pattern: str, note: str
) -> list[Text]:
    """The lines that a started server begins with. `pattern` is the key of the test pattern, "" without one."""
    lines = [Text.assemble(("arcly ", "bold"), (VERSION, "bold"), (f"  {note}" if note else "", "dim"))]
    anyone = f"{applications[0]}/{ANY_NAME}"
    table = urls(bound, anyone, https=https)
    if pattern:
        table = [row for row in table if row[0] == "publish"]
        table += [row for row in urls(bound, pattern, https=https) if row[0] != "publish"]
    last = ""
    for label, url in table:
        lines.append(_row("" if label == last else label, url, "bold cyan" if label == "page" else "cyan"))
        last = label
    if not table:
        lines.append(_row("", "no endpoint is enabled", "yellow"))
    if len(applications) > 1:
        lines.append(_row("applications", ", ".join(applications), ""))
    for name, address in ((name, address) for name, every in bound.items() for address in every):
        if not is_local(address):
            lines.append(_row("open to", f"other machines: {name} listens on {address}", "yellow"))
    lines.append(_row("stop", "Ctrl-C", "dim"))
    return lines


def _row(label: str, text: str, style: str) -> Text:
    return Text.assemble((f"  {label:<13}", "dim"), (text, style))
