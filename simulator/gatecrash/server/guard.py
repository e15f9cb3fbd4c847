"""Who may use control powers: with a control token, whoever has it; without one, any caller but a web page from elsewhere.

Control powers are the control API and the header `Gatecrash-Fault`. A developer's gateway listens on loopback, where every page
in the developer's browser can reach it too. A page cannot lie about its origin: the browser sends `Origin` and `Sec-Fetch-Site`.
A name that was bound to loopback to look like the gateway's own (DNS rebinding) still stands in `Host`.
"""

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from gatecrash.core.errors import Refused

TOKEN_HEADER = "Gatecrash-Control-Token"  # noqa: S105 - a header's name
TOKEN_MIN = 8
# names that public DNS gives to nobody, so nobody can have them lead to loopback (RFC 6761; .internal: ICANN 2024)
_RESERVED = (".localhost", ".internal", ".test")


def is_token(text: str) -> bool:
    """Whether it can be a control token: visible ASCII, long enough."""
    return len(text) >= TOKEN_MIN and text.isascii() and text.isprintable() and " " not in text


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)


def check(headers: Mapping[str, str], token: str | None, power: str = "the control API") -> None:
    """Refuse a request without the control token; where there is none, a request that a page from elsewhere sent.

    `power` names what the request wants to use.
    """
    if token is None:
        _refuse_pages_from_elsewhere(headers, power)
        return
    given = headers.get(TOKEN_HEADER)
    if given is None:
        raise Refused(
            "control_token_required",
            f"{power} of this gateway needs its token; send `{TOKEN_HEADER}: TOKEN`, as printed at the start or given "
            "with --control-token.",
            TOKEN_HEADER,
        )
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        raise Refused(
            "control_token_required",
            f"{TOKEN_HEADER} is not the token of this gateway; it was printed at the start or given with --control-token.",
            TOKEN_HEADER,
        )


def _refuse_pages_from_elsewhere(headers: Mapping[str, str], power: str) -> None:
    host = headers.get("Host", "")
    if not _is_own_name(host):
        raise _elsewhere("Host", host, power, "call it by an IP address or as localhost")
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in ("none", "same-origin"):
        raise _elsewhere("Sec-Fetch-Site", site, power, "call it from a program, or from a page of the gateway itself")
    origin = headers.get("Origin")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise _elsewhere("Origin", origin, power, "call it from a program, or from a page of the gateway itself")


def _elsewhere(header: str, value: str, power: str, instead: str) -> Refused:
    return Refused(
        "control_from_elsewhere",
        f"{header} was {value[:100]!r}, so a web page from elsewhere may have sent this, and {power} is not for those; "
        f"{instead}, or start the gateway with --control-token.",
        header,
    )


def _is_own_name(host: str) -> bool:
    """Whether a Host is an address, a name without a dot, or under a reserved one; no Host at all names nobody else."""
    if not host:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.removesuffix(".")
        return "." not in name or name.endswith(_RESERVED)
    return True
