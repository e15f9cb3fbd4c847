"""Who may call a listener: by which names, and who may use control powers.

A developer's gateway listens on loopback, where every page in the developer's browser can reach it too. A page cannot lie about
its origin: the browser sends `Origin` and `Sec-Fetch-Site`. A name that was bound to loopback to look like the gateway's own (DNS
rebinding) still stands in `Host`. Control powers are the control API and the header `Gatecrash-Fault`: with a control token,
whoever has it may use them; without one, any caller but a web page from elsewhere.
"""

import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from gatecrash.core.errors import Refused

TOKEN_HEADER = "Gatecrash-Control-Token"  # noqa: S105 - a header's name
TOKEN_MIN = 8
# names that public DNS gives to nobody, so nobody can have them lead to loopback (RFC 6761; .internal: ICANN 2024)
_RESERVED = (".localhost", ".internal", ".test")
_HOST = re.compile(r"(\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:\[\]@/]*))(:[0-9]*)?")
_SERVER_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


def is_token(text: str) -> bool:
    """Whether it can be a control token: visible ASCII, long enough."""
    return len(text) >= TOKEN_MIN and text.isascii() and text.isprintable() and " " not in text


def is_server_name(text: str) -> bool:
    """Whether it can be a name that a gateway is called by: lower-case, ASCII, no port and no scheme."""
    return _SERVER_NAME.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)


def names_of(host: str, server_names: frozenset[str]) -> frozenset[str] | None:
    """The names that a listener on `host` may be called by, besides those that cannot be rebound; None for any name.

    Beyond loopback a gateway has names that it cannot know, so any is good there, unless `server_names` were given.
    """
    if not is_loopback(host):
        return server_names or None
    return server_names | {host.lower()}


class Guard(NamedTuple):
    """Of one listener. `names` besides those that cannot be rebound; None for any name. `token`: the control token."""

    token: str | None = None
    names: frozenset[str] | None = frozenset()

    def check_hosts(self, hosts: Iterable[str]) -> None:
        """Refuse a request for a name that is not the listener's, so that it may come from a rebound web page."""
        if self.names is None:
            return
        for host in hosts:
            name = _name_of(host)
            if not (_cannot_be_rebound(name) or name in self.names):
                named = f", or start it with --server-name {name} if that name is meant" if is_server_name(name) else ""
                raise Refused(
                    "host_not_allowed",
                    f"Host was {host[:100]!r}; expected an IP address, localhost, a name without a dot, or one under .localhost, "
                    f".internal or .test. Call the gateway by one of those{named}.",
                    "Host",
                )

    def check_control(self, headers: Mapping[str, str], power: str = "the control API") -> None:
        """Refuse a request without the control token; where there is none, a request that a page from elsewhere sent.

        `power` names what the request wants to use.
        """
        if self.token is None:
            self._refuse_pages_from_elsewhere(headers, power)
            return
        given = headers.get(TOKEN_HEADER)
        if given is None:
            raise Refused(
                "control_token_required",
                f"{power} of this gateway needs its token; send `{TOKEN_HEADER}: TOKEN`, as printed at the start or given "
                "with --control-token.",
                TOKEN_HEADER,
            )
        if not hmac.compare_digest(given.encode(errors="replace"), self.token.encode()):
            raise Refused(
                "control_token_required",
                f"{TOKEN_HEADER} is not the token of this gateway; it was printed at the start or given with --control-token.",
                TOKEN_HEADER,
            )

    def _refuse_pages_from_elsewhere(self, headers: Mapping[str, str], power: str) -> None:
        host = headers.get("Host", "")
        self.check_hosts((host,))
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin"):
            raise _elsewhere("Sec-Fetch-Site", site, power)
        origin = headers.get("Origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise _elsewhere("Origin", origin, power)


def _elsewhere(header: str, value: str, power: str) -> Refused:
    return Refused(
        "control_from_elsewhere",
        f"{header} was {value[:100]!r}, so a web page from elsewhere may have sent this, and {power} is not for those; "
        "call it from a program, or from a page of the gateway itself, or start the gateway with --control-token.",
        header,
    )


@lru_cache(maxsize=256)
def _name_of(host: str) -> str:
    """The name or address in a Host header, without its port; what is no Host at all stays as it is."""
    match = _HOST.fullmatch(host)
    return host if match is None else (match["v6"] or match["name"]).lower()


@lru_cache(maxsize=256)
def _cannot_be_rebound(name: str) -> bool:
    """Whether it is an address, a name without a dot, or one under a reserved name; no name at all names nobody else."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.removesuffix(".")
        return name == "" or (is_server_name(name) and ("." not in name or name.endswith(_RESERVED)))
    return True
