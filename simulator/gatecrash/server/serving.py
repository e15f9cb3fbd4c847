"""A gateway that listens: a port for each dialect, over the store that its settings name. The worker and a thread serve it."""

import asyncio
import errno
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiohttp import web

from gatecrash import files
from gatecrash.core.vault import KEY_BYTES
from gatecrash.dialects.interface import Dialect
from gatecrash.server import guard
from gatecrash.server.app import App
from gatecrash.server.descriptors import connections_max
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.store.errors import StoreFailed, advice, passes
from gatecrash.store.sqlite import Identity, SqliteStore

DATABASE = "gatecrash.sqlite3"
VAULT_KEY = "vault.key"
_BACKLOG = 1024
_PORT_MAX = 65535
_LOOPBACKS = ("127.0.0.1", "::1")
# how binding a second loopback fails on a machine that has but one
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, socket.EAI_ADDRFAMILY, socket.EAI_NONAME)
_TRIES_FOR_ANY_PORT = 100
_REBIND_S = 5.0
# what reading a damaged row raises
_UNREADABLE = (sqlite3.DatabaseError, msgspec.MsgspecError, ValueError, TypeError, KeyError)


class SetupError(Exception):
    """The gateway cannot start as asked. The message is one line for the user. `passing`: later it may."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Settings(NamedTuple):
    """What whoever starts a gateway was told. `ports`: dialect → port, 0 for any; on a restart, the ports it had. `data`: the
    folder that keeps the state; None keeps it in this process's memory. `grace_s`: how long requests may go on at the stop.
    """

    host: str
    ports: dict[str, int]
    data: Path | None
    durable: bool
    seed: str
    allow_hosts: frozenset[str]
    grace_s: float = 1.0
    # a pipe that ends when whoever started us does; the supervisor stops then
    lifeline: int | None = None
    strict: bool = False
    # what the control API wants to see
    control_token: str | None = None
    # what it may be called by, besides addresses and localhost (`guard.names_of`)
    server_names: frozenset[str] = frozenset()
    # a PEM file of certificates that https receivers may show, besides what the system trusts
    webhook_ca: Path | None = None
    # the database that an earlier worker had open: this one stands in for it
    database: Identity | None = None


class Serving(NamedTuple):
    """`ports`: of each dialect. `database`: which one is open; None for one in memory."""

    ports: dict[str, int]
    database: Identity | None


@asynccontextmanager
async def serving(
    settings: Settings, crash: Callable[[float], None] | None = None, *, rebinding: bool = False
) -> AsyncIterator[Serving]:
    """A gateway, ready. Raises SetupError and StoreUnusable."""
    async with AsyncExitStack() as leave:
        store, key = _open(settings)
        host = Host(
            crash=crash, vault_key=key, seed=settings.seed, allow_hosts=settings.allow_hosts,
            control_token=settings.control_token, connections_max=connections_max(), strict=settings.strict,
            webhook_ca=None if settings.webhook_ca is None else str(settings.webhook_ca),
        )  # fmt: skip
        gateway = Gateway(store, host)
        leave.push_async_callback(gateway.close)
        sockets: dict[str, list[socket.socket]] = {}
        for name in gateway.dialects:
            sockets[name] = [leave.enter_context(each) for each in await _bind(settings, gateway.dialects, name, rebinding)]
        try:
            await gateway.start()
        except (*_UNREADABLE, StoreFailed) as error:
            raise _cannot_load(f"{settings.data}/{DATABASE}", error.why if isinstance(error, StoreFailed) else error) from error
        for name, bound in sockets.items():
            runner = await _listen(gateway, name, bound, settings)
            leave.push_async_callback(runner.cleanup)
        gateway.ready = True
        leave.callback(setattr, gateway, "ready", False)
        yield Serving({name: bound[0].getsockname()[1] for name, bound in sockets.items()}, store.identity)


def _cannot_load(database: str, why: object) -> SetupError:
    """Why what an earlier process left cannot be taken up."""
    if passes(why):
        return SetupError(f"the gateway cannot use {database}: {why}. {advice(why)}", passing=True)
    return SetupError(f"the database {database} is damaged: {why}; restore it, or give an empty --data folder.")


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where the extra `gatecrash[fast]` brought it."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _open(settings: Settings) -> tuple[SqliteStore, bytes]:
    """The store, and the key that seals its cards."""
    if settings.data is None:
        return SqliteStore(":memory:", durable=False), os.urandom(KEY_BYTES)
    database = settings.data / DATABASE
    # a new database gets its key first: a crash in between leaves none that lacks one
    key = vault_key(settings.data, make=True) if settings.database is None and not database.exists() else None
    if key is None:  # the folder of an earlier gateway, perhaps one that let everybody read it
        with suppress(FileNotFoundError):  # what is missing is told when the database is opened
            files.tighten(settings.data)
    store = SqliteStore(str(database), durable=settings.durable, expected=settings.database)
    try:
        return store, key or vault_key(settings.data, make=False)
    except SetupError:
        store.close()
        raise


class _NotBound(Exception):
    """`address` could not be bound."""

    def __init__(self, address: str, error: OSError | UnicodeError) -> None:
        super().__init__(str(error))
        self.address, self.error = address, error


async def _bind(settings: Settings, dialects: dict[str, Dialect], name: str, rebinding: bool) -> list[socket.socket]:
    """Bound sockets for a dialect, all of one port; a port that is taken is an error that names it."""
    deadline = asyncio.get_running_loop().time() + (_REBIND_S if rebinding else 0)
    port = _port(settings, dialects, name)
    while True:
        try:
            return _sockets(addresses_of(settings.host), port)
        except _NotBound as failed:
            # after a crash the port is ours again, as soon as the system lets go of it
            if asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.02)
                continue
            raise SetupError(_why_not_bound(failed.address, name, port, failed.error)) from failed.error


def _port(settings: Settings, dialects: dict[str, Dialect], name: str) -> int:
    """The port it was given or had before; else its own, as far from native's as always; any free one if native's is."""
    if name in settings.ports:
        return settings.ports[name]
    asked = settings.ports["native"]
    port = asked and asked + dialects[name].default_port - dialects["native"].default_port
    if port > _PORT_MAX:
        raise SetupError(
            f"--port was {asked}, which leaves no port for {name}: that would be {port}, and {_PORT_MAX} is the last. Give "
            f"--port a number up to {asked - (port - _PORT_MAX)}, or 0 for any free ones."
        )
    return port


def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses to listen on, the one that is meant first.

    One loopback stands for both: a client that resolves `localhost` takes either, and Node.js 17 to 19 that of IPv6.
    """
    if host.lower() not in ("localhost", *_LOOPBACKS):
        return (host,)
    return tuple(sorted(_LOOPBACKS, key=lambda address: address != host))


def _sockets(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """A socket for each address, all bound to the same port; 0 is any that is free on all. Raises _NotBound."""
    for tries_left in reversed(range(_TRIES_FOR_ANY_PORT)):
        bound: list[socket.socket] = []
        try:
            for address in addresses:
                number = bound[0].getsockname()[1] if bound else port
                try:
                    bound.append(_socket(address, number))
                except (OSError, UnicodeError) as error:
                    if not bound or getattr(error, "errno", None) not in _NO_SUCH_ADDRESS:
                        raise _NotBound(address, error) from error
            return bound
        except _NotBound as failed:
            for one in bound:
                one.close()
            taken = getattr(failed.error, "errno", None) == errno.EADDRINUSE
            if port or not taken or not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _socket(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def _why_not_bound(host: str, name: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"--host was {host!r}, which is no host name; give a name or an address alone, such as 127.0.0.1."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"--host was {host!r}, which is no address of this machine: {error.strerror}. Give a name or an address alone, such "
            "as 127.0.0.1."
        )
    if isinstance(error, PermissionError):
        return f"port {port} ({name}) needs rights that this user lacks; give --port a number above 1023, or 0 for any free one."
    reason = "is taken by another process" if error.errno == errno.EADDRINUSE else f"cannot be bound: {error.strerror}"
    return f"port {port} ({name}) on {host} {reason}; stop that process, or give --port another number (0 for any free one)."


async def _listen(gateway: Gateway, name: str, bound: list[socket.socket], settings: Settings) -> web.ServerRunner:
    dialects = gateway.dialects
    main = name == "native"
    mounts = {"" if dialect == name else f"/{dialect}": spoken for dialect, spoken in dialects.items() if main or dialect == name}
    app = App(gateway, mounts, main=main, names=guard.names_of(settings.host, settings.server_names))
    runner = web.ServerRunner(app.server, shutdown_timeout=settings.grace_s)
    await runner.setup()
    for each in bound:
        await web.SockSite(runner, each, backlog=_BACKLOG).start()
    return runner


def vault_key(data: Path, *, make: bool = True) -> bytes:
    """The key that seals card numbers, beside the database, readable by its owner alone. `make` it if it is not there."""
    path = data / VAULT_KEY
    try:
        if not files.claim(path, make=False):
            if not make:
                raise SetupError(
                    f"{path} is missing, and the database beside it needs it. Restore it, or give an empty --data folder."
                )
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
        key = path.read_bytes()
    except OSError as error:
        raise SetupError(
            f"cannot keep the vault key {path}: {error.strerror}; give --data a folder that this user may write."
        ) from error
    if len(key) != KEY_BYTES:
        raise SetupError(
            f"{path} holds {len(key)} bytes; expected {KEY_BYTES}. Restore it, or start with an empty --data folder."
        )
    return key
