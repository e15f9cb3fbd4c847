"""How a gateway is to be started: checked before anything heavy is imported, each complaint naming its argument."""

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gatecrash import files
from gatecrash.server import guard
from gatecrash.webhooks import certificates


class GatewayStartError(RuntimeError):
    """The gateway could not start; the message says why, and what to do."""

    def __init__(self, message: str) -> None:
        # what `gatecrash serve` calls --port is here the argument `port`
        super().__init__(re.sub(r"--([a-z]+)-?([a-z]*)", lambda flag: f"`{'_'.join(filter(None, flag.groups()))}`", message))


class Options(NamedTuple):
    """`data`: the folder that keeps the state, None for memory alone. `port`: of the native dialect, 0 for any free one."""

    data: Path | None
    seed: str
    host: str
    port: int
    allow_hosts: frozenset[str]
    server_names: frozenset[str] = frozenset()
    webhook_ca: Path | None = None
    # None where this machine alone reaches it
    control_token: str | None = None


def options(
    data: object, seed: object, host: object, port: object, allow_hosts: object, server_names: object, webhook_ca: object
) -> Options:
    """Raises TypeError or ValueError."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port was {port!r}; expected a number from 0 (any free one) to 65535.")
    if not isinstance(host, str) or not host:
        raise ValueError(f"host was {host!r}; expected an address of this machine, such as '127.0.0.1'.")
    if isinstance(seed, bool) or not isinstance(seed, str | int):
        raise TypeError(f"seed was {seed!r}; expected a str or an int.")
    allowed, names = _names("allow_hosts", allow_hosts), _names("server_names", server_names)
    for name in names:
        if not guard.is_server_name(name):
            raise ValueError(
                f"server_names held {name!r}; expected host names without scheme and port, such as 'gateway.example'."
            )
    token = None if guard.is_loopback(host) else secrets.token_urlsafe(24)
    return Options(_folder(data), str(seed), host, port, allowed, names, _certificates(webhook_ca), token)


def _certificates(given: object) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, str | Path):
        raise TypeError(f"webhook_ca was {given!r}; expected the path of a file of certificates in PEM form, or None.")
    try:
        return certificates.checked(Path(given))
    except ValueError as error:
        raise ValueError(f"webhook_ca {error}") from error


def _names(argument: str, given: object) -> frozenset[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{argument} was {given!r}; expected host names, such as ['hooks.example'].")
    return frozenset(str(name).lower() for name in given)


def _folder(data: object) -> Path | None:
    if data is None:
        return None
    if not isinstance(data, str | Path):
        raise TypeError(f"data was {data!r}; expected the path of a folder, or None to keep the state in memory.")
    folder = Path(data).absolute()
    try:
        files.make_folder(folder)
    except OSError as error:
        raise ValueError(f"data was {str(data)!r}, which cannot be a folder: {error.strerror}; give one that can.") from error
    return folder
