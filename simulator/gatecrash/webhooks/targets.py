"""Where webhooks may go: loopback and private addresses, and hosts that were allowed by name."""

import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gatecrash.core.errors import Refused

# a last label that makes a host an IPv4 address (WHATWG URL, "ends in a number"): 2130706433, 127.1, 0x7f000001
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")


class TargetNotAllowed(OSError):
    """A host name led outside."""


def check_url(url: str, allowed: frozenset[str]) -> None:
    """Refuse what is no http(s) URL, or is an address outside. Names are judged when they are resolved."""
    parts = None
    try:
        parts = urlsplit(url) if url.isascii() else None
        good = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts is None or parts.hostname is None:
        raise Refused(
            "parameter_invalid",
            f"url was {url[:100]!r}; expected an http or https URL, such as http://127.0.0.1:8000/webhooks.",
            "url",
        )
    if parts.username or parts.password:
        raise Refused(
            "parameter_invalid",
            "url holds a user name or password; webhooks are authenticated by their signature.",
            "url",
        )
    if parts.hostname in allowed:
        return
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        _check_name(parts.hostname)
        return
    if not is_inside(address):
        raise Refused(
            "webhook_url_not_allowed",
            f"url leads to {address}, which is neither loopback nor private; --allow-host {address} lets it.",
            "url",
        )


def _check_name(name: str) -> None:
    """Refuse what is neither an address nor a name: above all numbers that the C library would read as an address."""
    labels = name.removesuffix(".").split(".")
    if not all(1 <= len(label) <= 63 for label in labels) or _NUMBER.fullmatch(labels[-1]):
        raise Refused(
            "parameter_invalid",
            f"the host of url was {name[:100]!r}; expected a host name, or an address written out, such as 127.0.0.1.",
            "url",
        )


# loopback (RFC 1122, RFC 4291), private use (RFC 1918), unique local (RFC 4193); spelt out, since what counts as
# private differs from one Python to the next
_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


def is_inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Loopback or private; an IPv4 address in IPv6 dress is judged as what it is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _INSIDE if network.version == address.version)


class LocalResolver(AbstractResolver):
    """Resolves names, and keeps only addresses that webhooks may go to; judged at each connection, so rebinding is no way out."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._inner = ThreadedResolver()
        self._allowed = allowed

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found: list[Any] = await self._inner.resolve(host, port, family)
        kept = [one for one in found if host in self._allowed or is_inside(ipaddress.ip_address(one["host"]))]
        if not kept:
            raise TargetNotAllowed(
                f"{host} resolves to no loopback or private address; start the gateway with --allow-host {host} if it is meant"
            )
        return kept

    async def close(self) -> None:
        await self._inner.close()
