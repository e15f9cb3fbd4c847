"""`gatecrash faults`: the fault rules of a sandbox."""

from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._gateway import note_if_new, require, talks_to_gateway
from gatecrash.cli._output import document, table
from gatecrash.cli._together import refuse
from gatecrash.cli._values import Number
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


class _Faults(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What can strike where, from the table that rules are checked against."""
        from gatecrash.faults.kinds import KINDS
        from gatecrash.faults.stations import STATIONS

        heads = {way: f"on the way of a {way}" for way in dict.fromkeys(station.way for station in STATIONS.values())}
        wide = max(map(len, (*STATIONS, *heads.values())))
        with formatter.section("What can strike where (`gatecrash explain NAME` says more)"):
            for way, head in heads.items():
                here = {name: station for name, station in STATIONS.items() if station.way == way}
                kinds = [kind for kind in KINDS if any(kind in station.kinds for station in here.values())]
                formatter.write(f"  {head:{wide}}  {'  '.join(kinds)}\n")
                for name, station in here.items():
                    marks = "  ".join(("x" if kind in station.kinds else "-").center(len(kind)) for kind in kinds)
                    formatter.write(f"  {name:{wide}}  {marks}\n".rstrip() + "\n")
                formatter.write("\n")


@click.group("faults", cls=_Faults)
def command() -> None:
    """Break a running gateway on purpose.

    A rule strikes at a STATION with a KIND of fault, from the nth request or webhook attempt that matches, so many
    times.
    """


@command.command("list")
@click.option("--never-fired", is_flag=True, help="Only those that have not struck: what survived them survived nothing.")
@talks_to_gateway
def list_rules(sandbox: "Sandbox", as_json: bool, never_fired: bool) -> None:
    """The rules that are armed, and how often each has struck."""
    require(sandbox)
    rules = [rule for rule in sandbox.faults.list() if not (never_fired and rule["fired"])]
    if as_json:
        document(rules)
        return
    table(
        ("id", "station", "kind", "params", "match", "strikes", "seen", "fired"),
        [
            (
                rule["id"], rule["station"], rule["kind"], _pairs(rule["params"]), _pairs(rule["match"]), _when(rule),
                rule["seen"], rule["fired"],
            )
            for rule in rules
        ],
        empty=f"Every fault rule of sandbox {sandbox.name} has struck, or there is none."
        if never_fired
        else f"No fault rules in sandbox {sandbox.name}; `gatecrash faults add operation.committed reset` arms one.",
    )  # fmt: skip


@command.command("add")
@click.argument("station")
@click.argument("kind", required=False)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A param of the kind; VALUE is JSON, or text.")
@click.option("--match", "matches", multiple=True, metavar="NAME=VALUE", help="Strike only where this is equal; repeatable.")
@click.option("--nth", type=click.IntRange(1), help="Strike from the nth match on.  [default: 1]")
@click.option("--times", metavar="N|always", help="Strike so many times.  [default: 1; always with a probability]")
@click.option("--probability", type=Number(0, 1), help="Strike at this share of the matches.")
@click.option("--seed", help="Draws for the probability come from this.  [default: the sandbox's seed]")
@talks_to_gateway
def add(
    sandbox: "Sandbox",
    as_json: bool,
    station: str,
    kind: str | None,
    params: tuple[str, ...],
    matches: tuple[str, ...],
    nth: int | None,
    times: str | None,
    probability: float | None,
    seed: str | None,
) -> None:
    """Arm a rule.

    \b
    gatecrash faults add operation.committed reset --match operation=charges.create
    gatecrash faults add operation.claimed delay --param seconds=2 --match order_id=o-7 --nth 2
    gatecrash faults add webhook.due drop --times always --match event_type=charge.succeeded
    gatecrash faults add operation.committed=reset          (short, as in the Gatecrash-Fault header)
    gatecrash faults add 'response.partial=delay;seconds=2'
    """
    if probability is None:
        refuse(["seed"], "without --probability", "only the probability is drawn by chance")
    if "=" in station and kind is not None:
        raise WrongUse(f"STATION was {station!r}, which names a kind already, and KIND was {kind!r}; give one of the two.")
    if "=" in station:
        station, kind, *short = _short_form(station)
        params = (*short, *params)
    if kind is None:
        raise click.UsageError(f"STATION was {station!r} and KIND is missing; `gatecrash faults --help` lists both.")
    asked: dict[str, Any] = {} if times is None else {"times": _times(times)}
    note_if_new(sandbox)
    rule = sandbox.faults.add(
        station,
        kind,
        params={name: _value(text) for name, text in _named("--param", params)},
        match={name: _match_value(name, text) for name, text in _named("--match", matches)},
        nth=nth,
        probability=probability,
        seed=seed,
        **asked,
    )
    if as_json:
        document(rule)
    else:
        click.echo(f"{rule['id']}: {in_words(rule)}")


@command.command("remove")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@talks_to_gateway
def remove(sandbox: "Sandbox", as_json: bool, ids: tuple[str, ...]) -> None:
    """Disarm rules by their ids; what they hold goes on."""
    require(sandbox)
    rules = [sandbox.faults.remove(rule_id) for rule_id in ids]
    if as_json:
        document(rules)
        return
    for rule in rules:
        click.echo(f"{rule['id']}: {rule['kind']} at {rule['station']} is disarmed; it struck {_count(rule['fired'])}")


@command.command("clear")
@talks_to_gateway
def clear(sandbox: "Sandbox", as_json: bool) -> None:
    """Disarm all rules of the sandbox."""
    require(sandbox)
    cleared = sandbox.faults.clear()
    if as_json:
        document({"cleared": cleared})
    else:
        click.echo(f"{counted(cleared, 'fault rule')} disarmed in sandbox {sandbox.name}")


@command.command("stations")
@talks_to_gateway
def stations(sandbox: "Sandbox", as_json: bool) -> None:
    """Where a fault can strike, and what can strike there, as this gateway has it."""
    found = sandbox.faults.stations()
    if as_json:
        document(found)
    else:
        rows = [(station["station"], station["when"], ", ".join(station["kinds"])) for station in found]
        table(("station", "by then", "what can strike"), rows, empty="")


def _short_form(text: str) -> list[str]:
    """`operation.claimed=delay;seconds=1.5` → station, kind, params."""
    head, *params = text.split(";")
    station, _, kind = head.partition("=")
    return [station.strip(), kind.strip(), *(param.strip() for param in params if param.strip())]


def _named(option: str, pairs: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise WrongUse(f"{option} was {pair!r}; expected NAME=VALUE, such as {_EXAMPLES[option]}.")
        found.append((name, text))
    return found


_EXAMPLES = {"--param": "seconds=2", "--match": "operation=charges.create"}


def _value(text: str) -> Any:
    """JSON where it is JSON; else the text itself."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _match_value(name: str, text: str) -> Any:
    """A number where numbers are matched; everything else is text, however it looks."""
    import msgspec

    from gatecrash.faults.rule import Match

    if name not in Match.__struct_fields__:
        return text
    try:
        return getattr(msgspec.convert({name: text}, Match, strict=False), name)
    except msgspec.ValidationError:
        return text  # the gateway says what it wants instead


def _times(text: str) -> int | None:
    if text == "always":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise WrongUse(f"--times was {text!r}; expected a number of times, or always.")
    return int(text)


def _pairs(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items())


def in_words(rule: dict[str, Any]) -> str:
    """`reset at operation.committed where operation=charges.create, once`; of a gateway's rule or of one that a story has."""
    params = f" with {_pairs(rule['params'])}" if rule.get("params") else ""
    where = f" where {_pairs(rule['match'])}" if rule.get("match") else ""
    return f"{rule['kind']} at {rule['station']}{params}{where}, {_when(rule)}"


def _when(rule: dict[str, Any]) -> str:
    """`3 times, from match 2 on`: when a rule strikes, in words. What is not given is as the gateway has it by default."""
    probability, nth = rule.get("probability"), rule.get("nth", 1)
    often = rule.get("times", 1 if probability is None else None)
    times = "always" if often is None else _count(often)
    chance = "" if probability is None else f", with probability {probability:g}"
    return times + ("" if nth == 1 else f", from match {nth} on") + chance


def _count(times: int) -> str:
    return {1: "once", 2: "twice"}.get(times, f"{times} times")
