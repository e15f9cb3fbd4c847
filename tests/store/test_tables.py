"""Records and rows: the schema fits the records, and what goes in comes out the same."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

import gatecrash.store
from gatecrash.core.records import RECORDS, Charge, Claim, Dispute, Nonce, PaymentMethod, Record, Refund, Subscription, Transfer
from gatecrash.store.tables import TABLES, Table
from tests.store.samples import BARE, FULL, bare, full
from tests.support.core import Core

SCHEMA = Path(gatecrash.store.__file__).with_name("schema.sql").read_text(encoding="utf-8")
SAMPLES = [*FULL, *BARE]
NAMES = [f"{type(record).__name__}-{'full' if i < len(FULL) else 'bare'}" for i, record in enumerate(SAMPLES)]


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_the_columns_of_a_table_are_the_fields_of_its_record_in_their_order(kind: type[Record]) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({kind.TABLE})")]
    keys = [row[1] for row in sorted(db.execute(f"PRAGMA table_info({kind.TABLE})"), key=lambda row: row[5]) if row[5]]
    db.close()
    assert columns == ["life", *kind.__struct_fields__]
    assert keys == ["life", *kind.KEY]


def test_there_is_a_sample_of_every_record() -> None:
    assert tuple(map(type, FULL)) == tuple(map(type, BARE)) == RECORDS == tuple(TABLES)


@pytest.mark.parametrize("record", SAMPLES, ids=NAMES)
def test_a_record_comes_back_as_it_went_in(core: Core, record: Record) -> None:
    kind, key = type(record), [getattr(record, name) for name in record.KEY]
    core.do(lambda ctx: ctx.tx.insert(record))
    assert core.get(kind, *key) == record
    assert core.find(kind) == [record]
    core.do(lambda ctx: ctx.tx.delete(kind, *key))
    assert core.get(kind, *key) is None
    core.do(lambda ctx: ctx.tx.put(record))
    core.do(lambda ctx: ctx.tx.put(record))
    assert core.find(kind) == [record]


@pytest.mark.parametrize(("bare", "full"), list(zip(BARE, FULL, strict=True)), ids=lambda record: type(record).__name__)
def test_an_update_writes_the_columns_it_names_and_no_others(core: Core, bare: Record, full: Record) -> None:
    kind, key = type(bare), [getattr(bare, name) for name in bare.KEY]
    others = [name for name in kind.__struct_fields__ if name not in kind.KEY]
    changed = msgspec.structs.replace(full, **{name: getattr(bare, name) for name in kind.KEY})
    if not others:
        return
    core.do(lambda ctx: ctx.tx.insert(bare))
    core.do(lambda ctx: ctx.tx.update(changed, *others))
    assert core.get(kind, *key) == changed
    one = others[-1]
    core.do(lambda ctx: ctx.tx.update(bare, one))
    assert core.get(kind, *key) == msgspec.structs.replace(changed, **{one: getattr(bare, one)})


@pytest.mark.parametrize("record", FULL, ids=lambda record: type(record).__name__)
def test_sandboxes_never_meet(core: Core, record: Record) -> None:
    kind, key = type(record), [getattr(record, name) for name in record.KEY]
    core.do(lambda ctx: ctx.tx.insert(record))
    core.sandbox = "another"
    assert core.get(kind, *key) is None
    assert core.find(kind) == []
    core.do(lambda ctx: ctx.tx.delete(kind, *key))
    core.do(lambda ctx: ctx.tx.insert(record))
    core.do(lambda ctx: ctx.tx.delete(kind, *key))
    core.sandbox = "core"
    assert core.get(kind, *key) == record


def test_a_key_that_is_taken_is_no_place_to_insert(core: Core) -> None:
    core.do(lambda ctx: ctx.tx.insert(full(Charge)))
    with pytest.raises(sqlite3.IntegrityError):
        core.do(lambda ctx: ctx.tx.insert(full(Charge)))


def test_what_is_not_there_cannot_be_updated(core: Core) -> None:
    with pytest.raises(AssertionError, match="charges"):
        core.do(lambda ctx: ctx.tx.update(full(Charge), "status"))


CHARGE, REFUND, TRANSFER, CLAIM = bare(Charge), bare(Refund), bare(Transfer), bare(Claim)
NONCE, METHOD, DISPUTE, SUBSCRIPTION = bare(Nonce), bare(PaymentMethod), bare(Dispute), bare(Subscription)


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (CHARGE, {"amount": 0}),
        (CHARGE, {"amount": 100_000_000}),
        (CHARGE, {"amount": 5, "amount_captured": 6}),
        (CHARGE, {"amount": 5, "amount_captured": 3, "amount_refunded": 4}),
        (CHARGE, {"amount": 5, "amount_captured": 3, "amount_refunded": 2, "amount_disputed": 2}),
        (CHARGE, {"amount_captured": -1}),
        (CHARGE, {"amount_disputed": -1}),
        (CHARGE, {"status": "processing", "amount_captured": 1}),
        (CHARGE, {"card": None}),
        (CHARGE, {"bank_account": {}}),
        (CHARGE, {"payment_nonce": None}),
        (CHARGE, {"payment_method": "pm_1"}),
        (NONCE, {"card": None}),
        (METHOD, {"bank_account": {}}),
        (DISPUTE, {"amount": 0}),
        (DISPUTE, {"stage": "lawsuit"}),
        (DISPUTE, {"status": "won"}),
        (DISPUTE, {"resolution": "decided"}),
        (DISPUTE, {"evidence_due_at": None}),
        (SUBSCRIPTION, {"status": "canceled"}),
        (SUBSCRIPTION, {"canceled_at": 1}),
        (SUBSCRIPTION, {"interval": "fortnight"}),
        (SUBSCRIPTION, {"current_period_end": 1}),
        (CHARGE, {"status": "paid"}),
        (CHARGE, {"status": "failed"}),
        (CHARGE, {"decline_code": "generic_decline"}),
        (CHARGE, {"status": "voided", "amount_captured": 1}),
        (REFUND, {"amount": 0}),
        (REFUND, {"status": "lost"}),
        (TRANSFER, {"amount": 0}),
        (TRANSFER, {"credit": "a"}),
        (CLAIM, {"status": 201}),
        (CLAIM, {"body": b"x"}),
    ],
    ids=str,
)
def test_the_schema_is_the_last_line_of_defence(core: Core, record: Record, changes: dict[str, object]) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        core.do(lambda ctx: ctx.tx.insert(msgspec.structs.replace(record, **changes)))
    assert core.find(type(record)) == []


def test_two_charges_can_never_share_a_nonce(core: Core) -> None:
    core.do(lambda ctx: ctx.tx.insert(CHARGE))
    with pytest.raises(sqlite3.IntegrityError):
        core.do(lambda ctx: ctx.tx.insert(msgspec.structs.replace(CHARGE, id="txn_2")))


def test_a_column_that_is_none_is_never_asked_for() -> None:
    for table in (Table(Charge), Table(Claim), Table(Refund), Table(Transfer)):
        with pytest.raises(AssertionError, match="has no column"):
            table.find(("id; DROP TABLE charges",))
