"""Pages: newest first, every record once, whatever is added meanwhile."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.core.records import Charge
from tests.store.samples import bare
from tests.support.core import Core

CHARGE = bare(Charge)


def fill(core: Core, count: int, **fields: object) -> list[str]:
    def work(ctx: object) -> list[str]:
        made = []
        for _ in range(count):
            charge_id = core.ids.new("txn")
            ctx.tx.insert(msgspec.structs.replace(CHARGE, id=charge_id, payment_nonce=charge_id, **fields))  # type: ignore[attr-defined]
            made.append(charge_id)
        return made

    return core.do(work)


def pages(core: Core, limit: int, **equals: object) -> list[list[str]]:
    found, after, more = [], None, True
    while more:
        items, more = core.do(lambda ctx, after=after: ctx.tx.page(Charge, limit, after, **equals))
        found.append([item.id for item in items])
        after = items[-1].id if items else None
    return found


def flat(found: list[list[str]]) -> list[str]:
    return [item for page in found for item in page]


def test_nothing_is_one_empty_page(core: Core) -> None:
    assert pages(core, 10) == [[]]


@pytest.mark.parametrize(
    ("count", "limit", "sizes"), [(1, 1, [1]), (10, 10, [10]), (11, 10, [10, 1]), (7, 3, [3, 3, 1]), (3, 100, [3])]
)
def test_pages_are_full_and_the_last_one_says_so(core: Core, count: int, limit: int, sizes: list[int]) -> None:
    made = fill(core, count)
    found = pages(core, limit)
    assert [len(page) for page in found] == sizes
    assert flat(found) == made[::-1]


def test_a_filter_holds_over_all_pages(core: Core) -> None:
    wanted = fill(core, 5, order_id="o1")
    fill(core, 4, order_id="o2")
    wanted += fill(core, 3, order_id="o1", status="succeeded")
    assert flat(pages(core, 2, order_id="o1")) == wanted[::-1]
    assert flat(pages(core, 2, order_id="o1", status="authorized")) == wanted[:5][::-1]


def test_what_is_added_while_one_turns_the_pages_moves_nothing(core: Core) -> None:
    made = fill(core, 6)
    first, _ = core.do(lambda ctx: ctx.tx.page(Charge, 3, None))
    fill(core, 5)
    second, more = core.do(lambda ctx: ctx.tx.page(Charge, 3, first[-1].id))
    assert [charge.id for charge in [*first, *second]] == made[::-1]
    assert not more


@given(count=st.integers(0, 25), limit=st.integers(1, 8))
def test_every_record_is_on_exactly_one_page(count: int, limit: int) -> None:
    core = Core()
    made = fill(core, count)
    assert flat(pages(core, limit)) == made[::-1]
    core.close()
