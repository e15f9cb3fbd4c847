"""Verbs that talk to a running gateway: the options they share, and what becomes of a gateway's no."""

import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._failed import Failed, WrongUse
from gatecrash.cli._output import note
from gatecrash.spelling import no_such

if TYPE_CHECKING:
    from gatecrash.client import GatewayError, Sandbox

DEFAULT_URL = "http://127.0.0.1:8402"
DEFAULT_SANDBOX = "default"
# so many sandboxes are named in a remark
_NAMED = 5

# statuses by which the gateway says that the call itself was wrong, rather than that the answer is no
_WRONG_USE = (400, 401, 403, 413, 415)


def talks_to_gateway(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb `--url`, `--sandbox`, `--key`, `--control-token` and `--json`; call it with `sandbox`, the handle of the
    one that is meant, and `as_json`. What the gateway refuses, or that it is not there, ends the verb in words. A verb may take
    the sandbox's name as its argument `named`, too.
    """

    @wraps(function)
    def verb(url: str, sandbox: str | None, key: str | None, control_token: str | None, **arguments: Any) -> None:
        from gatecrash.client import GatewayError, GatewayUnreachable, Sandbox

        named = arguments.pop("named", None)
        if named is not None and (sandbox, key) != (None, None):
            raise click.UsageError(
                f"{named} and {'--key' if sandbox is None else '--sandbox'} were both given; name the sandbox once."
            )
        name, secret_key = _whom(named or sandbox, key, os.environ)
        try:
            handle = Sandbox(url, name, secret_key=secret_key, control_token=control_token or None)
        except ValueError as error:
            raise WrongUse(str(error)) from error
        try:
            with handle:
                function(sandbox=handle, **arguments)
        except GatewayError as error:
            raise in_words(error) from error
        except GatewayUnreachable as error:
            raise WrongUse(str(error)) from error

    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


_OPTIONS = (
    click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="GATECRASH_URL",
        show_envvar=True,
        help="Where the gateway listens.",
    ),
    click.option(
        "--sandbox", metavar="NAME", help=f"The sandbox that is meant.  [env: GATECRASH_SANDBOX; default: {DEFAULT_SANDBOX}]"
    ),
    click.option("--key", metavar="KEY", help="The same by its secret key, sk_test_NAME.  [env: GATECRASH_SECRET_KEY]"),
    click.option(
        "--control-token",
        envvar="GATECRASH_CONTROL_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="For a gateway that asks for one.",
    ),
    click.option("--json", "as_json", is_flag=True, help="JSON instead of words."),
)


def require(sandbox: "Sandbox") -> None:
    """Refuse a sandbox that is not there: a mistyped name would read as one where nothing happened."""
    there = [one["name"] for one in sandbox.request("GET", "/_gatecrash/sandboxes")["data"]]
    if sandbox.name in there:
        return
    if not there:
        raise WrongUse("this gateway has no sandbox yet; the first call with a key of the form sk_test_NAME makes one.")
    named = "--sandbox names another" if sandbox.name == DEFAULT_SANDBOX else "mend --sandbox"
    raise WrongUse(f"{no_such('sandbox', [sandbox.name], there)}; {named}, and `gatecrash sandboxes list` shows all.")


def note_if_new(sandbox: "Sandbox") -> None:
    """Say so where a verb is about to make a sandbox beside others: its name may be mistyped."""
    there = [one["name"] for one in sandbox.request("GET", "/_gatecrash/sandboxes")["data"]]
    if there and sandbox.name not in there:
        note(f"sandbox {sandbox.name} is new; there were {', '.join(there[:_NAMED])}{', …' if len(there) > _NAMED else ''}")


def _whom(sandbox: str | None, key: str | None, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The sandbox's name or its secret key: flags before the environment."""
    if sandbox is not None and key is not None:
        raise click.UsageError("--sandbox and --key were both given; either of them names the sandbox.")
    if sandbox is None and key is None:
        key = environment.get("GATECRASH_SECRET_KEY") or None
        sandbox = (environment.get("GATECRASH_SANDBOX") or DEFAULT_SANDBOX) if key is None else None
    return sandbox, key


def in_words(error: "GatewayError") -> Failed:
    """A gateway's no, as the end of a verb."""
    where = f"`gatecrash explain {error.code}`" if error.code else f"{error.call} was answered {error.status}"
    return (WrongUse if error.status in _WRONG_USE else Failed)(f"{error.detail}  ({where})")
