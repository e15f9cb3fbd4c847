"""How to start a merchant and talk to it: everything the harness knows of a shop, as data.

Written by hand in `merchant.toml`, checked against contracts/merchant-profile.schema.json, which says what each
field means. Errors name the file, the line and the place in it.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from gatecrash import resources
from gatecrash.harness.documents import Origin, Place, hold_to, read, schema
from gatecrash.harness.history import REFUNDED
from gatecrash.harness.templates import AMOUNTS, Call, Command, placeholders, resolve
from gatecrash.harness.tills import TILLS
from gatecrash.spelling import nearest, no_such

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
_ORDER = AMOUNTS | {"currency", "order_id", "capture", "customer"}
#: What each call knows of the order besides; a table that is not here knows nothing of orders.
_KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "visit": frozenset({"customer"}),
        "place_order": _ORDER,
        "pay": _ORDER | {"nonce", "client_key"},
        **dict.fromkeys(("read_order", "edit_order", "cancel", "refund", "ship", "return_url"), _ORDER | {"nonce"}),
    }
)
#: Every placeholder that speaks of an order.
ORDER_VALUES = frozenset().union(*_KNOWN.values())
#: In a list of words, this one stands for each that no other line explains.
ANY_WORD = "*"
#: What an HTTP status says of a payment when the answer has no word for it.
CODES: Mapping[int, str] = MappingProxyType({202: "PENDING", 204: "PENDING", 402: "FAILED"})


class ProfileError(ValueError):
    """A profile that cannot be used, told in one line: where, what was found, what was expected."""


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
class Visit:
    """A page that a customer opens before the first order. `take`: the placeholders that it fills, and where each value is."""

    call: Call
    take: Mapping[str, str] = field(default_factory=dict)


class Condition(NamedTuple):
    """An order has this `status` when the answer has each of these values, written as words, at these JSON Pointers."""

    status: str
    values: Mapping[str, str]

    def holds(self, answer: Any) -> bool:
        return all(spelled(resolve(answer, pointer)) == value for pointer, value in self.values.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantProfile:
    """`statuses` maps the shop's words (as `spelled`) to the harness's; pointers are JSON Pointers into the answers.

    `conditions` come before `statuses`: they look at several values of an answer. `codes` says what an HTTP status means for a
    payment when its answer has no word. Without `place_order` the shop has no orders of its own, and is known by what the
    customer's browser calls them; without `read_order` it does not tell what it believes of them.

    `dialect` is what the shop speaks to the gateway. Without `start` the merchant runs already, at `url`, and speaks to a
    gateway at `gateway_port` with the keys of `sandbox`. `reconcile_s` is how often the shop asks the gateway about what it
    does not know, in real seconds: the harness waits that long for it; `patience_s`, how long it waits for the gateway.
    `fulfilments` points to a number or a list, `refunded` to an amount, in minor units unless `decimal`; None when the shop
    does not tell.
    """

    name: str
    start: Start | None = None
    simulated: Simulated | None = None
    url: str | None = None
    dialect: str = "native"
    gateway_port: int = 8402
    sandbox: str = "story"
    ready: str = "/healthz"
    visits: tuple[Visit, ...] = ()
    place_order: Call | None = None
    pay: Call
    read_order: Call | Command | None = None
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
    decimal: bool = False
    statuses: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    codes: Mapping[int, str] = field(default_factory=lambda: CODES)
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
        if isinstance(self.read_order, Command):
            raise ProfileError(
                f"{self.at('read_order', 'command')}: a command cannot look into simulated time; give [read_order] a path, or "
                "play the merchant in real processes: --world real"
            )
        return self.simulated

    def orders_speak_of(self, value: str) -> bool:
        """True when the shop is told the value with the order, or with the payment where it has no orders of its own."""
        return (self.place_order or self.pay).speaks_of(value)

    @property
    def shows_refunds(self) -> bool:
        """Whether the shop knows of refunds: it makes them, tells how much was given back, or has a word for such an order."""
        words = {*self.statuses.values(), *(each.status for each in self.conditions)}
        return self.refund is not None or self.refunded is not None or not words.isdisjoint(REFUNDED)

    def status(self, word: object) -> str | None:
        """The harness's word for the shop's, which may be a number, a boolean or null; None where nobody explained it.

        A text that no line explains stands for itself, upper-cased.
        """
        name = spelled(word)
        if name in self.statuses:
            return self.statuses[name]
        told = bool(name) and word is not None
        if told and ANY_WORD in self.statuses:
            return self.statuses[ANY_WORD]
        return name if told and isinstance(word, str) else None

    def status_in(self, answer: Any, pointer: str) -> str | None:
        """The harness's word for what an answer says of an order: by the conditions, else by the word at the pointer."""
        found = next((each.status for each in self.conditions if each.holds(answer)), None)
        return found or self.status(resolve(answer, pointer))


def spelled(value: object) -> str:
    """A value of JSON as a word of [statuses]: `PAID`, `TRUE`, `2`, `NULL`; nothing for a list or an object."""
    if value is None:
        return "NULL"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).upper() if isinstance(value, str | bool | int | float) else ""


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
    hold_to("merchant-profile", raw, origin, ProfileError)
    _check(raw, origin)
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


_CALLS = ("place_order", "pay", "edit_order", "cancel", "refund", "ship", "return_url")


def _build(raw: Mapping[str, Any], origin: Origin) -> MerchantProfile:
    start, timeouts, gateway = raw.get("start"), raw.get("timeouts", {}), raw.get("gateway", {})
    place_order, read_order = raw.get("place_order", {}), raw.get("read_order", {})
    given: dict[str, Any] = {name: _call(raw[name]) for name in _CALLS if name in raw}
    if read_order:
        given["read_order"] = Command(argv=tuple(read_order["command"])) if "command" in read_order else _call(read_order)
    pointers = {
        "order_id": place_order.get("order_id"),
        "pay_status": raw["pay"].get("status"),
        "order_status": read_order.get("status"),
        "fulfilments": read_order.get("fulfilments"),
        "refunded": read_order.get("refunded"),
        "webhook_path": raw.get("webhooks", {}).get("path"),
        "ready": raw.get("ready"),
        "dialect": gateway.get("dialect"),
        "gateway_port": gateway.get("port"),
        "sandbox": gateway.get("sandbox"),
    }
    folder = origin.path.resolve().parent
    words, conditions = _statuses(raw.get("statuses", {}))
    codes = {int(code): word for code, word in raw["pay"].get("codes", {}).items()}
    return MerchantProfile(
        name=raw["name"],
        start=start
        and Start(
            command=tuple(start["command"]), cwd=folder / start.get("cwd", "."), env=MappingProxyType(start.get("env", {}))
        ),
        simulated=Simulated(**raw["simulated"]) if "simulated" in raw else None,
        url=raw["url"].rstrip("/") if "url" in raw else None,
        visits=tuple(Visit(call=_call(each), take=MappingProxyType(each.get("take", {}))) for each in raw.get("visit", ())),
        decimal=read_order.get("amounts") == "decimal",
        statuses=MappingProxyType(words),
        conditions=conditions,
        codes=MappingProxyType({**CODES, **codes}),
        logs=tuple(raw.get("logs", ())),
        reset=tuple(raw.get("reset", ())),
        origin=origin,
        **given,
        **timeouts,
        **{name: value for name, value in pointers.items() if value is not None},
    )


def _statuses(raw: Mapping[str, Any]) -> tuple[dict[str, str], tuple[Condition, ...]]:
    """The shop's words by the harness's, and the conditions in the order in which they are written."""
    words: dict[str, str] = {}
    conditions: list[Condition] = []
    for ours, theirs in raw.items():
        for each in theirs:
            if isinstance(each, Mapping):
                conditions.append(Condition(ours, {pointer: spelled(value) for pointer, value in each.items()}))
            else:
                words[spelled(each)] = ours
    return words, tuple(conditions)


def _call(raw: Mapping[str, Any]) -> Call:
    form = "form" in raw
    body = raw.get("form", raw.get("body"))
    return Call(
        method=raw.get("method", "GET" if body is None else "POST"),
        path=raw["path"], body=body, form=form, headers=MappingProxyType(raw.get("headers", {})),
    )  # fmt: skip


def _check(raw: Mapping[str, Any], origin: Origin) -> None:
    """Raises ProfileError for what the schema cannot see."""
    dialect = raw.get("gateway", {}).get("dialect", "native")
    if dialect not in TILLS:
        raise ProfileError(f"{origin.at('gateway', 'dialect')}: {no_such('till for the dialect', [dialect], sorted(TILLS))}")
    taken = _taken(raw, origin)
    _check_placeholders(raw, origin, taken)
    for name, call in raw.items():
        if isinstance(call, Mapping) and {"body", "form"} <= call.keys():
            raise ProfileError(f"{origin.at(name, key='form')}: found body and form, expected one of them; form is not JSON")


def _taken(raw: Mapping[str, Any], origin: Origin) -> frozenset[str]:
    """The placeholders that visits fill. Raises ProfileError for one that means something else already."""
    names: set[str] = set()
    for index, visit in enumerate(raw.get("visit", ())):
        for name in visit.get("take", {}):
            if name in WORLD_VALUES | SHOP_SETTINGS.keys() | ORDER_VALUES:
                raise ProfileError(
                    f"{origin.at('visit', index, 'take', name)}: {{{name}}} has a meaning already; choose another name"
                )
            names.add(name)
    return frozenset(names)


def _check_placeholders(raw: Any, origin: Origin, taken: frozenset[str], place: Place = ()) -> None:
    """Raises ProfileError for a placeholder that nothing will ever fill, and for a start that is not told the port."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            _check_placeholders(value, origin, taken, (*place, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            _check_placeholders(value, origin, taken, (*place, index))
    elif isinstance(raw, str) and place[0] != "name":
        of_orders = _KNOWN.get(str(place[0]))
        known = WORLD_VALUES | SHOP_SETTINGS.keys() | (frozenset() if of_orders is None else of_orders | taken)
        for name in sorted(placeholders(raw) - known):
            near = nearest([name], known)
            expected = f"; {near}" if near else ", expected one of " + ", ".join(f"{{{each}}}" for each in sorted(known))
            raise ProfileError(f"{origin.at(*place)}: found {{{name}}}{expected}; {{{{{name}}}}} sends the braces themselves")
    if place == ("start",) and "port" not in placeholders(raw):
        raise ProfileError(
            f"{origin.at(*place)}: found no {{port}} in it; the port is picked free for each run, so its command or its "
            "environment must tell it to the shop"
        )


def _spell(place: Place) -> str:
    """A place as one finds it in a TOML file: `[pay] path`, `[start] env.PORT`, `[[visit]] path`, `name`."""
    kind = schema("merchant-profile")["properties"].get(place[0], {}).get("type") if place else None
    if kind == "object":
        return f"[{place[0]}] {'.'.join(map(str, place[1:]))}".strip()
    if kind == "array" and place[0] == "visit":
        return f"[[{place[0]}]] {'.'.join(map(str, place[2:]))}".strip()
    return ".".join(map(str, place))


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = re.compile(rf"\s*(\[{{0,2}})\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*([\]=])")


def _lines(text: str) -> dict[Place, int]:
    """The line of every table and key that stands on one of its own: the standard library's reader forgets them."""
    lines: dict[Place, int] = {(): 1}
    seen: Counter[Place] = Counter()  # tables of an array of them
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _DOTTED.match(line):
            keys: Place = tuple(key.strip("\"'") for key in re.findall(_KEY, found[2]))
            if found[1] and found[3] == "]":
                table = keys
                if found[1] == "[[":
                    table = (*keys, seen[keys])
                    seen[keys] += 1
                elif len(keys) > 1 and seen[keys[:1]]:  # [visit.take] belongs to the last [[visit]]
                    table = (keys[0], seen[keys[:1]] - 1, *keys[1:])
                lines[table] = number
            elif not found[1]:
                lines.setdefault((*table, *keys), number)
    return lines
