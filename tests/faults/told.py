"""The tables of docs/faults.md, told by the code; `python -m tests.faults.told` writes them anew."""

from inspect import cleandoc
from pathlib import Path

import msgspec

from gatecrash.faults.kinds import KINDS
from gatecrash.faults.kinds.kind import Kind
from gatecrash.faults.stations import STATIONS, table
from tests.support.pages import filled

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def where() -> str:
    """A table for each way: kinds down, stations across; then why not."""
    parts = []
    for way in ("request", "webhook"):
        stations = [name for name, station in STATIONS.items() if station.way == way]
        cells = {(cell.kind, cell.station): cell.why_not for cell in table() if cell.station in stations}
        kinds = [kind for kind in KINDS if any(cells[kind, station] is None for station in stations)]
        parts += ["| " + " | ".join([f"on a {way}'s way", *(f"`{name}`" for name in stations)]) + " |"]
        parts += ["|---" * (len(stations) + 1) + "|"]
        for kind in kinds:
            marks = ["●" if cells[kind, station] is None else "" for station in stations]
            parts += [f"| `{kind}` | " + " | ".join(marks) + " |"]
        parts += ["", *(f"- `{name}`: {STATIONS[name].when}" for name in stations), ""]
    parts += ["Why not elsewhere:", ""]
    for kind in KINDS:
        reasons: dict[str, list[str]] = {}
        for cell in table():
            if cell.kind == kind and cell.why_not is not None:
                reasons.setdefault(cell.why_not, []).append(f"`{cell.station}`")
        told = "; ".join(f"{', '.join(places)}: {reason}" for reason, places in reasons.items())
        parts += [f"- **{kind}** {told}."] if told else []
    return "\n".join(parts)


def kinds() -> str:
    rows = ["| kind | params | what it does | to the exchange |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        rows.append(f"| `{name}` | {_params(kind)} | {' '.join(cleandoc(kind.__doc__ or '').split())} | {_effects(kind)} |")
    return "\n".join(rows)


def _effects(kind: type[Kind]) -> str:
    """What a strike does to the exchange, and where it does something else."""
    elsewhere: dict[str, list[str]] = {}
    for station, effect in kind.effect_at.items():
        elsewhere.setdefault(effect, []).append(f"`{station}`")
    return "; ".join([kind.effect, *(f"{effect} at {', '.join(stations)}" for effect, stations in elsewhere.items())])


def _params(kind: type[Kind]) -> str:
    told = []
    for field in msgspec.structs.fields(kind):
        default = "" if field.required or field.default in (None, msgspec.NODEFAULT) else f" = {field.default}"
        told.append(f"`{field.name}{'' if field.required else '?'}{default}`")
    return ", ".join(told)


def told(page: str) -> str:
    """The page with its tables as the code tells them."""
    return filled(page, {"table": where(), "kinds": kinds()})


if __name__ == "__main__":
    PAGE.write_text(told(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
