"""Where webhooks may go: loopback and private addresses, and hosts that were allowed by name."""

import ipaddress
import re
import socket
from contextvars import ContextVar
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from gatecrash.core.errors import Refused
from gatecrash.webhooks.names import Names

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# whose attempt is being made
sandbox_at_work: ContextVar[str] = ContextVar("sandbox_at_work", default="")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# a last label that makes a host an IPv4 address (WHATWG URL, "ends in a number"): 2130706433, 127.1, 0x7f000001
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")
# a host name in practice: letters, digits, hyphens, and the underscores of Docker Compose
_LABEL = re.compile("[a-z0-9_-]{1,63}")
# what urlsplit drops or lets through, and a request line cannot hold
_STRAY = re.compile(r"[\x00-\x20\x7f\\]")
_EXPECTED = "expected an http or https URL, such as http://127.0.0.1:8000/webhooks"


class TargetNotAllowed(OSError):
    """A host name led outside."""


def check_url(url: str, allowed: frozenset[str]) -> None:
    """Refuse what is no http(s) URL, or is an address outside. Names are judged when they are resolved."""
    host = _host_of(url).lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        _check_name(host)
        outside = host.removesuffix(".") in _METADATA_NAMES and host not in allowed
        reason = _why_metadata(host, host)
    else:
        outside = str(address) not in allowed and host not in allowed and (is_metadata(address) or not is_inside(address))
        reason = _why_outside(f"url leads to {address}", str(address), [address])
    if outside:
        raise Refused("webhook_url_not_allowed", reason, "url")


def _host_of(url: str) -> str:
    """The host of a URL that webhooks can be posted to."""
    if stray := _STRAY.search(url):
        raise _refused(f"url holds {stray[0]!r} at character {stray.start() + 1}; write it percent-encoded, or leave it out.")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise _refused(f"url was {url[:100]!r}, which is no URL: {error}; {_EXPECTED}.") from error
    if parts.scheme not in ("http", "https") or not host:
        scheme = f", whose scheme is {parts.scheme[:20]!r}" if parts.scheme and "://" in url else ""
        raise _refused(f"url was {_without_userinfo(url)[:100]!r}{scheme}; {_EXPECTED}.")
    if parts.username is not None or parts.password is not None:
        raise _refused("url holds a user name or password; webhooks are authenticated by their signature. Leave it out.")
    if parts.fragment:
        raise _refused(f"url holds the fragment {'#' + parts.fragment[:60]!r}, which is never sent; leave it out.")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        given = parts.netloc.rpartition(":")[2]
        raise _refused(f"the port of url was {given[:20]!r}; expected a number from 1 to 65535.")
    if not host.isascii():
        raise _refused(f"the host of url was {host[:100]!r}, which is not ASCII; {_in_ascii(host)}.")
    if not url.isascii():
        raise _refused("the path of url holds characters that are not ASCII; write them percent-encoded, such as %C3%BC for ü.")
    return host


def _refused(detail: str) -> Refused:
    return Refused("parameter_invalid", detail, "url")


def _without_userinfo(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def _in_ascii(host: str) -> str:
    """What to write in place of an internationalized host name."""
    try:
        return f"write it in its ASCII form, {host.encode('idna').decode()}"
    except UnicodeError:
        return "write it in its ASCII form, which begins with xn--"


def _check_name(name: str) -> None:
    """Refuse what is neither an address nor a name: above all numbers that the C library would read as an address."""
    labels = name.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or _NUMBER.fullmatch(labels[-1]):
        raise _refused(f"the host of url was {name[:100]!r}; expected a host name, or an address written out, such as 127.0.0.1.")


# loopback (RFC 1122, RFC 4291), private use (RFC 1918), unique local (RFC 4193); spelt out, since what counts as
# private differs from one Python to the next
_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


# where clouds give a machine its credentials; the other such addresses are link-local or public, thus outside anyway
_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # AWS, Azure, Google, Oracle, DigitalOcean and more
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "168.63.129.16/32",  # Azure
        "fe80::/10",
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
    )
)
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
# IPv6 addresses whose last 32 bits are the IPv4 address that is meant: NAT64 (RFC 6052, RFC 8215) and IPv4-compatible
_EMBEDDING = tuple(ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))


def is_inside(address: Address) -> bool:
    """Loopback or private; an IPv4-mapped address is judged as the IPv4 address that it is."""
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in _INSIDE if network.version == address.version)


def is_metadata(address: Address) -> bool:
    """Whether a cloud tells a machine's secrets there, in whatever form the address is written."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is None and any(address in network for network in _EMBEDDING):
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        address = embedded or address
    return any(address in network for network in _METADATA if network.version == address.version)


def _why_metadata(leads: str, host: str) -> str:
    return f"{leads} is where a cloud tells a machine's credentials; start the gateway with --allow-host {host} if it is meant."


def _why_outside(leads: str, host: str, addresses: list[Address]) -> str:
    if metadata := [address for address in addresses if is_metadata(address)]:
        return _why_metadata(f"{leads}, which", str(metadata[0]))
    return f"{leads}, which is neither loopback nor private; start the gateway with --allow-host {host} if it is meant."


class LocalResolver(AbstractResolver):
    """Resolve names for one sandbox's attempts to addresses that webhooks may go to.

    The connection is made to the very addresses that were checked, so a name that changes its address gains nothing.
    """

    def __init__(self, allowed: frozenset[str], names: Names) -> None:
        self._allowed, self._names = allowed, names

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        names = await self._names.addresses(host, sandbox_at_work.get())
        found: list[Address] = [ipaddress.ip_address(each) for each in names]
        kept = [one for one in found if self._may_go(host.lower(), one)]
        if not kept:
            raise TargetNotAllowed(_why_outside(f"{host} resolves to {', '.join(names)}", host, found))
        return [
            ResolveResult(
                hostname=host, host=str(one), port=port, family=_FAMILIES[one.version], proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for one in kept
            if family in (socket.AF_UNSPEC, _FAMILIES[one.version])
        ]  # fmt: skip

    def _may_go(self, host: str, address: Address) -> bool:
        if is_metadata(address):
            return str(address) in self._allowed
        return host in self._allowed or is_inside(address)

    async def close(self) -> None:
        """Nothing is held: look-ups that still run end by themselves."""
