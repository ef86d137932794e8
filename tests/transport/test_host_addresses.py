"""Which addresses are advertised for a socket."""

import ipaddress
import socket
from typing import Any

import pytest

from arcly_actors.transport.host_addresses import host_addresses


def test_an_address_of_its_own_is_the_one() -> None:
    assert host_addresses("192.0.2.7") == ("192.0.2.7",)


@pytest.mark.parametrize(("wildcard", "versions"), [("0.0.0.0", {4}), ("::", {4, 6})])
def test_a_wildcard_stands_for_addresses_that_can_be_reached(wildcard: str, versions: set[int]) -> None:
    found = [ipaddress.ip_address(one) for one in host_addresses(wildcard)]
    assert found
    assert {one.version for one in found} <= versions
    assert not any(one.is_unspecified for one in found)


def test_a_host_without_a_way_out_has_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket, "socket", refuse)
    assert host_addresses("0.0.0.0") == ("127.0.0.1",)
    assert host_addresses("::") == ("127.0.0.1", "::1")
