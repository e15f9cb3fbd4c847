"""The table of rules in docs/strict.md comes from the rules themselves; `python -m tests.lint.table` writes it anew."""

import re
from pathlib import Path

from gatecrash.lint import RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "strict.md"
_PLACE = re.compile(r"(?<=<!-- rules: python -m tests\.lint\.table -->\n).*?(?=<!-- /rules -->)", re.DOTALL)


def table() -> str:
    rows = (f"| `{rule.code}` | {rule.says} | {rule.advice} |" for rule in RULES)
    return "\n".join(("| rule | what the client did | what to do |", "|---|---|---|", *rows)) + "\n"


def renewed(text: str) -> str:
    """The document, with the table of today."""
    assert _PLACE.search(text), f"{DOCUMENT.name} has no place for the table"
    return _PLACE.sub(lambda _: table(), text)


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
