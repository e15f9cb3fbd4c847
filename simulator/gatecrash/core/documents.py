"""Documents: the objects of a dialect that are not money, such as a customer, an intent or an order.

`kind` names the dialect and the object: `stripe.payment_intent`. `ref` names what the document belongs to, another document or a
record of the core; `found` looks up by it. A dialect converts `data` to and from structs of its own.
"""

from collections.abc import Sequence
from typing import Any

from gatecrash.core.records import Document
from gatecrash.core.transaction import Context


def put(ctx: Context, kind: str, id: str, data: dict[str, Any], ref: str | None = None) -> None:
    """Insert a document, or replace the one of this kind and id; its time of creation stays."""
    before = ctx.tx.get(Document, kind, id)
    created_at = ctx.now if before is None else before.created_at
    ctx.tx.put(Document(kind=kind, id=id, ref=ref, data=data, created_at=created_at))


def get(ctx: Context, kind: str, id: str) -> dict[str, Any] | None:
    """The data of a document; None where there is none."""
    document = ctx.tx.get(Document, kind, id)
    return None if document is None else document.data


def found(ctx: Context, kind: str, ref: str) -> Sequence[Document]:
    """The documents of a kind that belong to `ref`, oldest first."""
    return ctx.tx.find(Document, kind=kind, ref=ref)
