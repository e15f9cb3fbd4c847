"""How to start a merchant and talk to it: everything the harness knows of a shop, as data.

Written by hand in `merchant.toml`, checked against contracts/merchant-profile.schema.json, which says what each
field means. Errors name the file, the line and the place in it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gatecrash import resources
from gatecrash.harness.documents import Origin, Place, hold_to, read, schema

#: What a command, an environment and a log's name may speak of; a call knows the order as well.
WORLD_VALUES = frozenset(
    {
        "port",
        "scratch",
        "python",
        "gateway_url",
        "merchant_url",
        "secret_key",
        "publishable_key",
        "webhook_secret",
        "webhook_secrets",
    }
)
#: What a story may ask a shop to be started with, and what it is started with otherwise.
SHOP_SETTINGS: Mapping[str, Any] = MappingProxyType({"hold_s": 3600})
ORDER_VALUES = frozenset({"amount", "currency", "order_id", "nonce", "capture", "customer"})
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class ProfileError(ValueError):
    """A profile that cannot be used, told in one line: where, what was found, what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call on the merchant. `body` is a template, sent as JSON, or as a form when `form`."""

    method: str
    path: str
    body: Any = None
    form: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def speaks_of(self, value: str) -> bool:
        """Whether there is a placeholder for it in this call."""
        return value in placeholders([self.path, self.body, self.headers])

    def fill(self, values: Mapping[str, Any]) -> "Call":
        """The call with its placeholders replaced. Raises KeyError for one without a value."""
        headers = {name: str(value) for name, value in fill(self.headers, values).items()}
        return replace(self, path=fill(self.path, values), body=fill(self.body, values), headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How to start the merchant: a process in the foreground."""

    command: tuple[str, ...]
    cwd: Path = Path()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The merchant's application, `module:name`; `reload`: its modules are imported anew at each start."""

    app: str
    reload: bool = True
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantProfile:
    """`statuses` maps the shop's words (upper-cased) to the harness's; pointers are JSON Pointers into the answers.

    Without `start` the merchant runs already, at `url`, and speaks to a gateway at `gateway_port` with the keys of
    `sandbox`. `reconcile_s` is how often the shop asks the gateway about what it does not know, in real seconds:
    the harness waits that long for it; `patience_s`, how long it waits for the gateway. `fulfilments` points to a
    number or a list, `refunded` to an amount in minor units; None when the shop does not tell.
    """

    name: str
    start: Start | None = None
    simulated: Simulated | None = None
    url: str | None = None
    gateway_port: int = 8402
    sandbox: str = "story"
    ready: str = "/healthz"
    place_order: Call
    pay: Call
    read_order: Call
    edit_order: Call | None = None
    cancel: Call | None = None
    refund: Call | None = None
    ship: Call | None = None
    return_url: Call | None = None
    order_id: str = "/id"
    pay_status: str = "/status"
    order_status: str = "/status"
    fulfilments: str | None = None
    refunded: str | None = None
    statuses: Mapping[str, str] = field(default_factory=dict)
    webhook_path: str | None = None
    logs: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    ready_s: float = 30.0
    page_s: float = 15.0
    reconcile_s: float = 1.0
    patience_s: float = 30.0
    origin: Origin | None = None  #: where it was written

    @property
    def path(self) -> Path | None:
        return self.origin.path if self.origin else None

    def at(self, *place: str | int) -> str:
        """Where something stands in it, for a message: `merchant.toml:12: [pay] path`."""
        return self.origin.at(*place) if self.origin else _spell(place)

    def application(self) -> Simulated:
        """What is simulated of it. Raises ProfileError where the profile does not say."""
        if self.simulated is None:
            raise ProfileError(
                f"{self.path or self.name}: has no table [simulated]; name the shop's application there, such as "
                'app = "shop.main:create_app", or play it in real processes: --world real'
            )
        return self.simulated

    def status(self, word: object) -> str | None:
        """The harness's word for the shop's; the shop's own, upper-cased, where no map names it; None for
        no word.
        """
        if not isinstance(word, str) or not word:
            return None
        return self.statuses.get(word.upper(), word.upper())


def placeholders(template: Any) -> set[str]:
    """The names of all placeholders in a template."""
    if isinstance(template, str):
        return set(_PLACEHOLDER.findall(template))
    inner = template.values() if isinstance(template, Mapping) else template if isinstance(template, list | tuple) else ()
    return set().union(*map(placeholders, inner))


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with its placeholders replaced; `"{amount}"` alone becomes the number itself."""
    if isinstance(template, str):
        alone = _PLACEHOLDER.fullmatch(template)
        if alone:
            return values[alone[1]]
        return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)
    if isinstance(template, Mapping):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    return template


def resolve(document: Any, pointer: str) -> Any:
    """The value a JSON Pointer (RFC 6901) points to, or None when there is nothing there."""
    for step in pointer.split("/")[1:] if pointer else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def load(path: Path) -> MerchantProfile:
    """The profile in a TOML file. Raises ProfileError."""
    return parse(read(path, ProfileError, "; `gatecrash init` writes one"), path)


def parse(text: str, path: Path) -> MerchantProfile:
    """The profile in a TOML text; `path` is for the errors, and what relative folders are relative to."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else f"{path}"
        raise ProfileError(f"{where}: not TOML: {error}; `gatecrash init` writes a profile") from error
    origin = Origin(path, _lines(text), _spell)
    hold_to("merchant-profile", raw, origin, ProfileError, hint=_START_OR_URL)
    _check_placeholders(raw, origin)
    return _build(raw, origin)


def reference(mutant: str | None = None) -> MerchantProfile:
    """The reference merchant, or one of its mutants, with timeouts short enough for a demo."""
    profile = load(resources.reference_merchant() / "merchant.toml")
    assert profile.start is not None
    if mutant is None:
        return profile
    assert profile.simulated is not None
    start = replace(profile.start, command=(*profile.start.command, "--mutant", mutant))
    simulated = replace(profile.simulated, env={**profile.simulated.env, "MUTANT": mutant})
    return replace(profile, name=mutant, start=start, simulated=simulated)


_START_OR_URL = "either a table [start] with the command that starts the merchant, or url, where it runs already"
_CALLS = ("place_order", "pay", "read_order", "edit_order", "cancel", "refund", "ship", "return_url")


def _build(raw: Mapping[str, Any], origin: Origin) -> MerchantProfile:
    start, timeouts, gateway = raw.get("start"), raw.get("timeouts", {}), raw.get("gateway", {})
    words = {word.upper(): ours for ours, theirs in raw.get("statuses", {}).items() for word in theirs}
    given: dict[str, Any] = {name: _call(raw[name]) for name in _CALLS if name in raw}
    pointers = {
        "order_id": raw["place_order"].get("order_id"),
        "pay_status": raw["pay"].get("status"),
        "order_status": raw["read_order"].get("status"),
        "fulfilments": raw["read_order"].get("fulfilments"),
        "refunded": raw["read_order"].get("refunded"),
        "webhook_path": raw.get("webhooks", {}).get("path"),
        "ready": raw.get("ready"),
        "gateway_port": gateway.get("port"),
        "sandbox": gateway.get("sandbox"),
    }
    folder = origin.path.resolve().parent
    return MerchantProfile(
        name=raw["name"],
        start=start
        and Start(
            command=tuple(start["command"]), cwd=folder / start.get("cwd", "."), env=MappingProxyType(start.get("env", {}))
        ),
        simulated=Simulated(**raw["simulated"]) if "simulated" in raw else None,
        url=raw["url"].rstrip("/") if "url" in raw else None,
        statuses=MappingProxyType(words),
        logs=tuple(raw.get("logs", ())),
        reset=tuple(raw.get("reset", ())),
        origin=origin,
        **given,
        **timeouts,
        **{name: value for name, value in pointers.items() if value is not None},
    )


def _call(raw: Mapping[str, Any]) -> Call:
    form = "form" in raw
    body = raw.get("form", raw.get("body"))
    return Call(
        method=raw.get("method", "GET" if body is None else "POST"),
        path=raw["path"], body=body, form=form, headers=MappingProxyType(raw.get("headers", {})),
    )  # fmt: skip


def _check_placeholders(raw: Any, origin: Origin, place: Place = ()) -> None:
    """Raises ProfileError for a placeholder that nothing will ever fill, and for a start that is not told the port."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            _check_placeholders(value, origin, (*place, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            _check_placeholders(value, origin, (*place, index))
    elif isinstance(raw, str) and place[0] != "name":
        known = WORLD_VALUES | SHOP_SETTINGS.keys() | (ORDER_VALUES if place[0] in _CALLS else frozenset())
        for name in sorted(placeholders(raw) - known):
            raise ProfileError(
                f"{origin.at(*place)}: found {{{name}}}, expected one of " + ", ".join(f"{{{each}}}" for each in sorted(known))
            )
    if place == ("start",) and "port" not in placeholders(raw):
        raise ProfileError(
            f"{origin.at(*place)}: found no {{port}} in it; the port is picked free for each run, so its command or its "
            "environment must tell it to the shop"
        )


def _spell(place: Place) -> str:
    """A place as one finds it in a TOML file: `[pay] path`, `[start] env.PORT`, `name`."""
    known = schema("merchant-profile")["properties"]
    if place and known.get(place[0], {}).get("type") == "object":
        return f"[{place[0]}] {'.'.join(map(str, place[1:]))}".strip()
    return ".".join(map(str, place))


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = re.compile(rf"\s*(\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*([\]=])")


def _lines(text: str) -> dict[Place, int]:
    """The line of every table and key that stands on one of its own: the standard library's reader forgets them."""
    lines: dict[Place, int] = {(): 1}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _DOTTED.match(line):
            keys = tuple(key.strip("\"'") for key in re.findall(_KEY, found[2]))
            if found[1] and found[3] == "]":
                table = keys
                lines[table] = number
            elif not found[1]:
                lines.setdefault((*table, *keys), number)
    return lines
