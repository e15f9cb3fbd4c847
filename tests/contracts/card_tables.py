"""The tables of docs/test-cards.md, made from what the gateway knows: the numbers, and what each does."""

from pathlib import Path

from gatecrash.core.banks import TEST_ACCOUNTS, Debit
from gatecrash.core.cards import TEST_CARDS, Behaviour, brand_of
from gatecrash.core.clock import DAY
from gatecrash.core.disputes import OPENINGS
from gatecrash.core.payments import PROCESSING_LIFE

PAGE = Path(__file__).parents[2] / "docs" / "test-cards.md"
_BEGIN, _END = "<!-- made by `python -m tests.contracts.derive` from here -->", "<!-- to here -->"

_REFUNDS = {
    "pending": "approved; its refunds are `pending`, and `succeeded` ten minutes later",
    "failing": "approved; its refunds are `succeeded`, and `failed` ten minutes later",
}


def card_does(behaviour: Behaviour) -> str:
    if behaviour.decline_code is not None:
        saved = "can be saved; then " if behaviour.saves else ""
        return f"{saved}declined: `{behaviour.decline_code}`"
    return _disputed(behaviour) or _REFUNDS.get(behaviour.refund, "approved")


def account_does(debit: Debit) -> str:
    if debit.settles_after is None:
        return f"stays `processing` until it expires after {PROCESSING_LIFE // DAY} days"
    days = f"after {debit.settles_after // DAY} days"
    if debit.behaviour.decline_code is not None:
        return f"`failed` {days}: `{debit.behaviour.decline_code}`"
    return f"`succeeded` {days}" + _disputed(debit.behaviour).replace("approved", "")


def _disputed(behaviour: Behaviour) -> str:
    if behaviour.dispute is None:
        return ""
    stage, reason = OPENINGS[behaviour.dispute]
    return f"approved; a day later the customer's bank opens {'an inquiry' if stage == 'inquiry' else 'a chargeback'}: `{reason}`"


def _groups(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def tables() -> str:
    cards = [f"| `{_groups(number)}` | {brand_of(number)} | {card_does(does)} |" for number, does in TEST_CARDS.items()]
    accounts = [f"| `{number}` | {account_does(debit)} |" for number, debit in TEST_ACCOUNTS.items()]
    return "\n".join(
        [_BEGIN, "", "| card | brand | what it does |", "|---|---|---|", *cards, "",
         "| account number | what a charge of it does |", "|---|---|", *accounts, "", _END]
    )  # fmt: skip


def written(page: str) -> str:
    """The page with its tables as they ought to be."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + tables() + after
