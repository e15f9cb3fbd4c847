"""docs/simulated.md tells of every kind of fault, and shows the schedule that is saved."""

import re
from pathlib import Path

from gatecrash.harness.worlds.simulated.alphabet import LETTERS, Letter

PAGE = Path(__file__).parents[3] / "docs" / "simulated.md"
_WAYS = {
    "read": "a call that reads",
    "write": "a call that does something",
    "webhook": "a webhook",
    "commit": "a commit of the merchant",
    "send": "a message of the merchant",
    "order": "two messages at once",
}


def row(letter: Letter) -> str:
    where = "any call" if set(letter.ways) == {"read", "write"} else _WAYS[letter.ways[0]]
    return f"| `{letter.name}` | {where} | {letter.what} |"


def test_the_page_has_every_kind_of_fault_in_order() -> None:
    found = re.search(r"<!-- kinds -->\n\n(.*?)\n\n<!-- /kinds -->", PAGE.read_text(encoding="utf-8"), re.S)
    assert found is not None
    assert found[1].splitlines() == ["| kind | strikes | |", "|---|---|---|", *map(row, LETTERS.values())]
