"""The shop with one real-world bug each: `python -m reference_merchant --mutant NAME`, or `--mutant list`.

A mutant is a subclass of `Decisions` that answers one question badly. Most do without the reference merchant's nets, too (see
`mutant.Unguarded`), and drop the constraints of `schema.sql` that would save them.

All of them show from outside, to who looks at the gateway's journal and books, the order API and the answers to webhooks. What
some of them need to be seen at all:

- `ack_unknown`: a charge for an order that is not placed yet. The browser may choose an order's id, so whoever plays the
  browser can charge first and place later.
- `skew_strict`: a gateway whose clock differs from the shop's.
- `old_secret`: a shop started with a secret that has retired, `WEBHOOK_SECRETS="whsec_NEW whsec_OLD@UNIX_SECONDS"`.
- `double_capture`, `refund_twice`: parts. A gateway refuses to capture or give back the whole twice by itself.
- `dedupe_first`, `fulfil_sep_tx`: a gateway held in `charges.get`, which these two ask where a crash does harm.
- `ack_early`: a crash within half a second of the acknowledgement.
- `slow_hook`: a status call that takes longer than a webhook may; the gateway then hears no answer, not a bad one.
- `redirect_paid`, `client_amount`, `pan_log`: a browser that lies, or sends a card number where none belongs.
- `refund_echo`: its books, `amount_refunded` of the order against the gateway's; the money itself is right.
"""

from __future__ import annotations

from ..config import ConfigError
from ..decisions import Decisions
from . import answers, books, clicks, keys, modifications, naive, reconciliation, secrets, webhooks
from .mutant import Mutant

MUTANTS: dict[str, type[Mutant]] = {
    mutant.name(): mutant
    for room in (naive, keys, answers, clicks, webhooks, secrets, books, modifications, reconciliation)
    for mutant in vars(room).values()
    if isinstance(mutant, type) and issubclass(mutant, Mutant) and mutant.__module__ == room.__name__ and mutant.violates
}


def names() -> list[str]:
    """All mutants, family by family."""
    return list(MUTANTS)


def load(name: str) -> type[Decisions]:
    """The decisions of a mutant, or the right ones for an empty name. ConfigError if it is not known."""
    if not name:
        return Decisions
    if name not in MUTANTS:
        raise ConfigError(f"MUTANT (--mutant): {name!r} is not one of {', '.join(MUTANTS)}; `--mutant list` tells what they do")
    return MUTANTS[name]


def table() -> str:
    """Name, violated oracles, exposing fault and bug of each, for people."""
    rows = [(name, ", ".join(each.violates), each.exposed_by, each.bug()) for name, each in MUTANTS.items()]
    rows.insert(0, ("mutant", "violates", "exposed by", "the bug"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows)
