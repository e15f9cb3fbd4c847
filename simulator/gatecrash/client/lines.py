"""The journal as people read it: a line an entry."""

from collections.abc import Iterable

from gatecrash.client.call import Json

__tracebackhide__ = True  # pytest shows the line of the test instead

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
    return f"#{entry['seq']} {_time(entry)} {words(entry)}"


def lines(entries: Iterable[Json], last: int) -> list[str]:
    """The last so many lines of them, repeated look-ups folded, and a word about those before."""
    told = folded(entries)
    left_out = len(told) - last
    return ([f"… {left_out} lines before"] if left_out > 0 else []) + told[-last:]


def folded(entries: Iterable[Json]) -> list[str]:
    """A line an entry; successful look-ups that are repeated while nothing else happens are one line with their number:
    `#12–#85 10:00:00.000 → GET /v1/charges/txn_1 ← 200 charges.get ×37`.
    """
    told: list[str] = []
    stretch: dict[str, list[tuple[Json, Json]]] = {}  # look-ups with nothing between them, by what is said of them

    def end() -> None:
        for said, times in stretch.items():
            if len(times) == 1:
                told.extend(map(line, times[0]))
            else:
                first, last = times[0][0], times[-1][-1]
                told.append(f"#{first['seq']}–#{last['seq']} {_time(first)} {said} ×{len(times)}")
        stretch.clear()

    entries = list(entries)
    at = 0
    while at < len(entries):
        pair = entries[at : at + 2]
        if _is_look_up(pair):
            stretch.setdefault(" ".join(map(words, pair)), []).append((pair[0], pair[1]))
            at += 2
        else:
            end()
            told.append(line(pair[0]))
            at += 1
    end()
    return told


def _is_look_up(pair: list[Json]) -> bool:
    """Whether these entries are a GET and its answer, which was good."""
    if [entry["kind"] for entry in pair] != ["request", "answer"]:
        return False
    asked, answered = pair
    same = asked.get("request_id") == answered.get("request_id")
    return asked["method"] == "GET" and same and 200 <= (answered.get("status") or 0) < 300


def what_matters(entries: Iterable[Json]) -> list[str]:
    """What a failure is most likely about: the last fault that struck, and the last answer that refused; nothing where there
    is neither.
    """
    entries = list(entries)
    faults = [entry for entry in entries if entry["kind"] == "fault"]
    refusals = [entry for entry in entries if entry["kind"] == "answer" and (entry.get("status") or 0) >= 400]
    found = [*faults[-1:], *refusals[-1:]]
    return [f"look at {line(entry)}" for entry in sorted(found, key=lambda entry: int(entry["seq"]))]


def _time(entry: Json) -> str:
    return str(entry["at"]).partition("T")[2].removesuffix("Z")
