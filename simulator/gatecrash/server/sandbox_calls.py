"""Calls of the control API about sandboxes as a whole: making, emptying and removing one, keeping it as it is and going back."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gatecrash.core.card_numbers import holds_known_number
from gatecrash.core.clock import Clock, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.ids import derive_seed
from gatecrash.core.redaction import mask
from gatecrash.dialects.interface import Asked
from gatecrash.dialects.native.requests import NAME, authenticate
from gatecrash.server.gateway import Gateway
from gatecrash.server.sandbox import Sandbox
from gatecrash.store.interface import OF, SandboxRow

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class CreateSandbox(Struct, forbid_unknown_fields=True):
    """`name`: by default that of the key. `seed`: by default one that follows from the gateway's seed and the name."""

    name: Name | None = None
    seed: Annotated[str, Meta(min_length=1, max_length=64)] | Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class NameSnapshot(Struct, forbid_unknown_fields=True):
    name: Name = "default"


def key_sandbox(asked: Asked) -> str:
    """The sandbox whose secret key was presented."""
    caller = authenticate(asked.headers)
    if caller.kind != "secret":
        raise Refused(
            "publishable_key_not_allowed",
            f"{mask(asked.path)[:100]} needs the secret key, sk_test_{caller.sandbox}; a {caller.kind} key was sent.",
        )
    return caller.sandbox


def named_sandbox(gateway: Gateway, asked: Asked, name: str) -> Sandbox:
    """The sandbox `name`, for whoever has its key; with the control token, which the guard has seen, for everybody."""
    if gateway.host.control_token is None:
        _refuse_others(key_sandbox(asked), name)
    elif not NAME.fullmatch(name) or holds_known_number(name):
        raise Refused("parameter_invalid", f"name was {mask(name[:64])!r}; expected 1 to 64 letters, digits, '-' or '_'.", "name")
    return gateway.sandbox(name)


def _refuse_others(owner: str, name: str) -> None:
    if owner != name:
        raise Refused(
            "sandbox_of_another_key",
            f"sandbox {name[:64]!r} was named, and the key is that of {owner}; send `Authorization: Bearer sk_test_NAME` with "
            "the sandbox's own NAME.",
            "name",
        )


def shown(sandbox: Sandbox | SandboxRow) -> dict[str, Any]:
    return {"name": sandbox.name, "created_at": rfc3339(sandbox.created_at), "seed": sandbox.seed}


def _shown_snapshot(row: SandboxRow) -> dict[str, Any]:
    sandbox, _, name = row.name.partition(OF)
    clock = msgspec.json.decode(row.clock, type=Clock)
    return {"name": name, "sandbox": sandbox, "created_at": rfc3339(row.created_at), "now": rfc3339(clock.anchor)}


async def all_sandboxes(gateway: Gateway, sandbox: Sandbox, params: Struct, asked: Asked) -> Any:
    known: dict[str, Sandbox | SandboxRow] = {row.name: row for row in gateway.store.look("", lambda tx: tx.sandboxes())}
    known |= gateway.sandboxes  # those that are not written yet, too
    return {"data": [shown(known[name]) for name in sorted(known)], "has_more": False}


async def create(gateway: Gateway, sandbox: Sandbox, params: CreateSandbox, asked: Asked) -> Any:
    with_token = gateway.host.control_token is not None
    name = params.name if with_token and params.name is not None else key_sandbox(asked)
    _refuse_others(name, params.name or name)
    if gateway.find_sandbox(name) is not None:
        raise Refused("sandbox_exists", f"sandbox {name} is there already; reset it, remove it, or take another name.", "name")
    made = gateway.make_sandbox(name, derive_seed(gateway.host.seed, name) if params.seed is None else str(params.seed))
    await gateway.run(made, lambda ctx: None)  # durable before it is told
    return shown(made)


async def reset(gateway: Gateway, sandbox: Sandbox, params: Struct, asked: Asked) -> Any:
    await gateway.reset(sandbox)
    return {"sandbox": sandbox.name, "reset": True}


async def remove(gateway: Gateway, sandbox: Sandbox, params: Struct, asked: Asked) -> Any:
    await gateway.remove(sandbox)
    return shown(sandbox)


async def snapshot(gateway: Gateway, sandbox: Sandbox, params: NameSnapshot, asked: Asked) -> Any:
    return _shown_snapshot(await gateway.snapshot(sandbox, params.name))


async def restore(gateway: Gateway, sandbox: Sandbox, params: NameSnapshot, asked: Asked) -> Any:
    return _shown_snapshot(await gateway.restore(sandbox, params.name))


async def snapshots(gateway: Gateway, sandbox: Sandbox, params: Struct, asked: Asked) -> Any:
    return {"data": [_shown_snapshot(row) for row in await gateway.snapshots(sandbox)], "has_more": False}


async def remove_snapshot(gateway: Gateway, sandbox: Sandbox, params: Struct, asked: Asked) -> Any:
    return _shown_snapshot(await gateway.remove_snapshot(sandbox, asked.path_params["snapshot"]))
