"""The journal as people read it: a line an entry."""

from collections.abc import Iterable

from gatecrash.client.call import Json

# kind of entry → how its line begins; the fields in braces are the entry's own
_LINES = {
    "request": "→ {method} {path}",
    "answer": "← {status} {operation}",
    "fault": "✗ {fault} at {station} of {operation}",
    "delivery": "⇢ {event_type} to {endpoint_id}, attempt {attempt}: {outcome}",
    "endpoint": "⇢ {endpoint_id} is {status}: {reason}",
    "control": "· {action}",
    "finding": "! {rule} at #{about}: {detail}",
    "start": "· the gateway started",
}
# what a line says besides, if the entry has it
_ALSO = (
    "order_id", "idempotency_key", "amount", "event_type", "attempt", "replayed", "copy", "status", "error", "broken", "rule_id",
    "seconds", "mode", "timers_fired", "entries",
)  # fmt: skip


class _Known(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "–"


def words(entry: Json) -> str:
    """What an entry says: `→ POST /v1/charges order_id=o-1`."""
    form = _LINES.get(str(entry["kind"]), str(entry["kind"]))
    also = [f"{name}={entry[name]}" for name in _ALSO if entry.get(name) not in (None, False) and f"{{{name}}}" not in form]
    return " ".join([form.format_map(_Known(entry)), *also])


def line(entry: Json) -> str:
    """`#12 10:00:00.000 → POST /v1/charges order_id=o-1`."""
    time = str(entry["at"]).partition("T")[2].removesuffix("Z")
    return f"#{entry['seq']} {time} {words(entry)}"


def lines(entries: Iterable[Json], last: int) -> list[str]:
    """The last so many of them, and a word about those before."""
    entries = list(entries)
    left_out = len(entries) - last
    return ([f"… {left_out} entries before"] if left_out > 0 else []) + [line(entry) for entry in entries[-last:]]
