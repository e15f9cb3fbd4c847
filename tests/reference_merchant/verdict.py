"""What was violated on a stage, by the codes of the harness's oracles: an opinion of its own, from the same evidence.

The evidence is what anybody outside can see: the gateway's journal, charges and events, what the shop showed of its orders,
how it answered deliveries and clicks, and its log.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.reference_merchant.stage import Json, Stage

TRIES_MAX = 10  # of one call under one key, with a customer waiting
# where a final status may go
BACKWARDS: dict[str, set[str]] = {
    "PAID": {"PARTIALLY_REFUNDED", "REFUNDED"}, "PARTIALLY_REFUNDED": {"REFUNDED"}, "REFUNDED": set(), "CANCELLED": set(),
}  # fmt: skip
SECRETS = ("4242424242424242", "sk_test_", "whsec_")


async def violations(stage: Stage, log: str) -> set[str]:
    """The codes of all oracles that object."""
    await stage.goods_out()
    await stage.shop.stop()
    await stage.mend()
    charges, requests, answers = await stage.charges(), await stage.journal("request"), await stage.journal("answer")
    pages = stage.orders
    found: set[str] = set()
    for order, seen in pages.items():
        own = [charge for charge in charges if charge["order_id"] == order]
        found |= set(money(stage, order, seen, own)) | set(fate(stage, order, seen, own))
    found |= set(keys(requests, answers)) | set(hooks(stage.deliveries))
    if any(secret in log for secret in SECRETS):
        found.add("S9")
    return found


def money(stage: Stage, order: str, seen: list[Json], charges: list[Json]) -> Iterator[str]:
    """S1, S2, S3, S8, S10, S11, L6 and the books."""
    last = seen[-1]
    kept = [each["amount_captured"] - each["amount_refunded"] for each in charges]
    if sum(1 for net in kept if net > 0) > 1:
        yield "S1"
    if any((each["amount"], each["currency"]) != (last["amount"], last["currency"]) for each in made_by_the_shop(charges)):
        yield "S2"
    if last["status"] == "PAID" and sum(kept) < last["amount"]:
        yield "S3"
    for kind, what in (("capture", "amount_captured"), ("refund", "amount_refunded")):
        asked = stage.asked.get((kind, order))
        if asked is not None and sum(each[what] for each in charges) > asked:
            yield "S8"
    for kind, code in (("refund", "S10"), ("capture", "S11")):
        if (kind, order) in stage.after_chargeback:
            yield code
    asked, given = stage.asked.get(("refund", order)), sum(each["amount_refunded"] for each in charges)
    if asked is None and sum(kept) < last["amount"] and given > 0 and any(page["status"] == "PAID" for page in seen):
        yield "S8"
    if asked is not None and given < asked:
        yield "L6"
    if last["amount_refunded"] > sum(each["amount_refunded"] for each in charges):
        yield "books"


def made_by_the_shop(charges: list[Json]) -> list[Json]:
    """Those that took money in the shop's name, at the price that the order had when it was placed or edited last."""
    return [each for each in charges if "attempt" in each["metadata"] and each["amount_captured"]]


def fate(stage: Stage, order: str, seen: list[Json], charges: list[Json]) -> Iterator[str]:
    """S4, S5, S7, L1, L2, L4 and L5: what became of the order."""
    statuses = [page["status"] for page in seen]
    last = seen[-1]
    net = sum(each["amount_captured"] - each["amount_refunded"] for each in charges)
    shows = last["status"] in ("PAID", "PARTIALLY_PAID", "PARTIALLY_REFUNDED", "REFUNDED")
    if last["fulfilments"] > 1:
        yield "S4"
    back = {"PAID", "PARTIALLY_REFUNDED"} if any(each["type"] == "refund.failed" for each in stage.deliveries) else set()
    if any(after not in BACKWARDS[before] | {before} | back for before, after in pairwise(statuses) if before in BACKWARDS):
        yield "S7"
    if net > 0 and not shows:
        yield "L1"
        acknowledged = (each for each in stage.deliveries if each["order"] == order and each["type"] == "charge.succeeded")
        if any(each["genuine"] and each["status"] == 200 for each in acknowledged):
            yield "S5"
    if last["status"] == "PAID" and last["fulfilments"] == 0:
        yield "L4"
    if order in stage.tried and net == 0 and last["status"] in ("PENDING", "FAILED", "CANCELLED"):
        was_declined = any(each["status"] == "failed" for each in charges)
        yield "L5" if was_declined and last["status"] != "PENDING" else "L2"


def keys(requests: list[Json], answers: list[Json]) -> Iterator[str]:
    """P1, P2 and P3: how the shop asked."""
    answered = {each["request_id"]: each for each in answers if "status" in each and each["status"] < 500}
    bodies: dict[str, set[str]] = defaultdict(set)
    unknown: dict[str, set[str]] = defaultdict(set)  # order → keys of calls without an answer so far
    tries: dict[str, int] = defaultdict(int)
    for request in requests:
        if request["operation"] != "charges.create" or request["idempotency_key"] is None:
            continue
        key, order = request["idempotency_key"], request["order_id"]
        bodies[key].add(json.dumps(request["body"], sort_keys=True))
        tries[key] += 1
        if unknown[order] - {key}:
            yield "P1"
        if len(bodies[key]) > 1:
            yield "P3"
        if request["request_id"] in answered:
            unknown[order].discard(key)
        else:
            unknown[order].add(key)
    if any(count > TRIES_MAX for count in tries.values()):
        yield "P2"


def hooks(deliveries: list[Json]) -> Iterator[str]:
    """S6 and L3: what the shop let in, and what it never did."""
    tried: dict[str, list[int | None]] = defaultdict(list)
    for delivery in deliveries:
        if not delivery["genuine"] and delivery["status"] == 200:
            yield "S6"
        if delivery["genuine"]:
            tried[delivery["id"]].append(delivery["status"])
    if any(len(statuses) > 1 and 200 not in statuses for statuses in tried.values()):
        yield "L3"
