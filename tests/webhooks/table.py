"""The table of schedules in docs/webhooks.md, made from the data: `python -m tests.webhooks.table` writes it."""

from itertools import groupby
from pathlib import Path

from gatecrash.core.deliveries import Schedule
from gatecrash.webhooks.schedules import ASSUMED, SCHEDULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
_BEGIN, _END = "<!-- schedules -->\n", "<!-- /schedules -->"


def duration(seconds: float) -> str:
    """`300` → `5 m`."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def delays(schedule: Schedule) -> str:
    """`0, 5 s, 5 m`; what comes several times in a row is counted."""
    runs = [(duration(delay), len(list(run))) for delay, run in groupby(schedule.delays_s)]
    return ", ".join(f"{count} × {delay}" if count > 1 else delay for delay, count in runs)


def ends(schedule: Schedule) -> str:
    reasons = {"410": schedule.gone_disables, "used up": schedule.exhausting_disables}
    return " or ".join(reason for reason, disables in reasons.items() if disables) or "never"


def row(name: str, schedule: Schedule) -> tuple[str, ...]:
    assumed = " *(assumed)*" if name in ASSUMED else ""
    return (
        name,
        delays(schedule) + assumed,
        f"{len(schedule.delays_s)} in {sum(schedule.delays_s) / 86_400:.1f} d",
        duration(schedule.timeout_s) + assumed,
        "2xx" if schedule.acknowledgement is None else f"2xx and `{schedule.acknowledgement}`",
        "honoured" if schedule.honours_retry_after else "no",
        "yes" if schedule.in_order else "no",
        ends(schedule),
    )


def table() -> str:
    head = ("", "attempts after", "in all", "timeout", "yes is", "Retry-After", "in order", "disabled when")
    rows = [head, ("---",) * len(head), *(row(name, schedule) for name, schedule in SCHEDULES.items())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def written(page: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + table() + _END + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
