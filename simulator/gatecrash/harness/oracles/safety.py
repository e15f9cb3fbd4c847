"""S oracles: what must never happen, whatever breaks."""

from gatecrash.core import money
from gatecrash.harness.history import FAILED_REFUND, PAID, REFUNDED, SHOWS_PAYMENT, TERMINAL, History, Order
from gatecrash.harness.oracles._oracle import Findings, oracle
from gatecrash.lint.calls import fact_of


@oracle("S1", "charged twice")
def charged_twice(history: History) -> Findings:
    """The customer paid twice for one order. Usually an answer was lost after the money had moved, the shop
    took silence for failure, and a second attempt went out under a new idempotency key (or none). Bind the
    key to the order's payment attempt, store it before the first call, and while an outcome is unknown ask
    again with the same key. Judged from the gateway's charges: two or more of one order with money kept,
    refunds taken off. The renewals of a subscription pay for later periods, and not twice for the order.
    """
    for order in history.orders:
        kept = [charge for charge in history.charges_of(order) if charge.net > 0]
        if len(kept) > 1:
            total = sum(charge.net for charge in kept)
            ids = ", ".join(charge.id for charge in kept)
            yield (
                f"order {order.id} was charged {len(kept)} times: "
                f"{money.shown(total, kept[0].currency)} taken, {money.shown(order.amount, order.currency)} owed ({ids})"
            )


@oracle("S2", "wrong amount or currency")
def wrong_amount(history: History) -> Findings:
    """A charge was made for another amount or currency than the order's. Usually floats (0.29 × 100 is
    28.999…), a currency without minor units multiplied by a hundred, or a price taken from the browser.
    Keep integers in minor units and charge what the stored order says. Judged for every charge of the shop's that
    took or holds money.
    """
    for order in history.orders:
        for charge in history.charges_of(order):
            holds_money = charge.amount_captured > 0 or charge.status == "authorized"
            if not charge.elsewhere and holds_money and (charge.amount, charge.currency) != (order.amount, order.currency):
                yield (
                    f"order {order.id} costs {money.shown(order.amount, order.currency)}, "
                    f"charge {charge.id} asked for {money.shown(charge.amount, charge.currency)}"
                )


@oracle("S3", "paid without a matching charge")
def paid_without_charge(history: History) -> Findings:
    """The shop says PAID, and the gateway holds no charge that covers the order. Usually a timeout taken
    for success, a return URL or an unsigned message believed, or an event whose amount nobody compared.
    Mark an order paid only on the gateway's word for this order, amount and currency. Judged at the end of
    the run: net money captured in the order's currency against its price, less what staff asked to refund, since not every
    shop has a status for that.
    """
    for order in history.orders:
        if order.status != PAID:
            continue
        taken = sum(charge.net for charge in history.charges_of(order) if charge.currency == order.currency)
        if taken < order.amount - order.asked.get("refund", 0):
            yield (
                f"order {order.id} is PAID for {money.shown(order.amount, order.currency)}, "
                f"but the gateway captured {money.shown(taken, order.currency)}"
            )


@oracle("S4", "fulfilled twice")
def fulfilled_twice(history: History) -> Findings:
    """Goods of one order were shipped again. Usually the same event delivered twice (webhooks are
    at-least-once by contract), or the page and the webhook both fulfilling. Record the event and the
    fulfilment in the transaction that moves the order to PAID, with a unique constraint on the order.
    Judged from the merchant's own count: no more than once, or than staff asked to ship in parcels.
    """
    for order in history.orders:
        parcels = max(1, len(order.asked_to("capture")))
        if order.fulfilments is not None and order.fulfilments > parcels:
            asked = f", and {parcels} parcels were asked for" if parcels > 1 else ""
            yield f"order {order.id} was fulfilled {order.fulfilments} times{asked}"


@oracle("S5", "acknowledged event lost")
def acknowledged_and_lost(history: History) -> Findings:
    """The shop answered a payment event with 2xx, so the gateway will never send it again, and yet the
    order does not show the payment. Usually the answer went out before the write was durable, and the
    process died in between. Write first, acknowledge after. Judged from deliveries answered 2xx against the
    order's final status.
    """
    told = [(str(entry.get("event_id")), fact_of(entry), entry.get("status")) for entry, _ in history.deliveries()]
    told += [(posted.event, posted.event_type, posted.status) for posted in history.posted if posted.genuine]
    acknowledged = {
        history.order_by_event.get(event): event
        for event, event_type, status in told
        if event_type == "charge.succeeded" and isinstance(status, int) and 200 <= status < 300
    }
    for order in history.orders:
        if order.id in acknowledged and history.paid_for(order) > 0 and order.status not in SHOWS_PAYMENT:
            event = acknowledged[order.id]
            yield f"order {order.id}: event {event} was acknowledged, and the shop says {order.status}"


@oracle("S7", "terminal state regressed")
def regressed(history: History) -> Findings:
    """An order left a final state: PAID became PENDING or FAILED. Usually a late failure of an earlier
    attempt, or an older event, overwrote newer news. Tie events to their attempt and let only legal
    transitions through. Judged from the statuses the shop showed, in order; PAID may still become REFUNDED,
    FAILED may be tried again, and what was refunded is paid again when the refund comes back.
    """
    for order in history.orders:
        undone = SHOWS_PAYMENT if any(each.status == FAILED_REFUND for each in history.refunds_of(order)) else frozenset[str]()
        for before, after in zip(order.statuses, order.statuses[1:], strict=False):
            if {before, after} <= undone:
                continue
            if before in TERMINAL and after not in TERMINAL[before]:
                yield f"order {order.id} went from {before} to {after}"


@oracle("S8", "over-capture or over-refund")
def beyond_what_was_agreed(history: History) -> Findings:
    """More was captured than the shop's staff had shipped, or more given back than they had asked for, if they asked at all.
    Usually an answer was lost and the capture or refund was repeated without a key, or under a fresh one; or a webhook that
    came twice, or told of the shop's own refund, was taken for a reason to give money back. Give each capture and refund a key
    of its own, store it before the call, and repeat under it. Judged from the gateway's charges and books against what staff
    asked for, each refund against what had been asked for when it was made: two at the first of two asks are one too many. Also
    captured against authorized, refunded against captured, and debits against credits. What was taken beyond the price goes
    back in any case, and so may all of an order that was cancelled, or that the shop never called paid.
    """
    for order in history.orders:
        captured, wanted = sum(charge.amount_captured for charge in history.charges_of(order)), order.asked.get("capture")
        if wanted is not None and captured > wanted:
            shipped, taken = money.shown(wanted, order.currency), money.shown(captured, order.currency)
            yield f"order {order.id}: {shipped} shipped, {taken} captured"
        yield from _given_back_unasked(history, order, captured)
    for charge in history.charges:
        if charge.amount_captured > charge.amount:
            yield f"{charge.id}: captured {charge.amount_captured} of {charge.amount} authorized"
        if charge.amount_refunded > charge.amount_captured:
            yield f"{charge.id}: refunded {charge.amount_refunded} of {charge.amount_captured} captured"
    if not history.balanced:
        yield "the gateway's books do not balance: debits differ from credits"


def _given_back_unasked(history: History, order: Order, captured: int) -> Findings:
    """By the end, or when one of the refunds was made."""
    asks = order.asked_to("refund")
    if order.cancelled or not (asks or order.shown_as_paid):
        return
    made = history.refunds_of(order)
    elsewhere = sum(each.amount for each in made if each.elsewhere and each.status != FAILED_REFUND)
    asked, surplus = sum(ask.amount for ask in asks), max(0, captured - order.amount)
    given = captured - history.captured(order) - surplus - elsewhere
    if given > asked:
        wish = f"{money.shown(asked, order.currency)} to be refunded" if asks else "nobody asked for a refund"
        yield f"order {order.id}: {wish}, {money.shown(given, order.currency)} given back"
        return
    so_far = -surplus
    for each in made:
        if each.status == FAILED_REFUND or each.elsewhere:
            continue
        so_far += each.amount
        asked = sum(ask.amount for ask in asks if ask.at_ms <= each.at_ms)
        if so_far > asked:
            wish, gave = money.shown(asked, order.currency), money.shown(so_far, order.currency)
            yield f"order {order.id}: {gave} given back when {wish} had been asked for ({each.id})"
            return


@oracle("books", "books differ")
def books_differ(history: History) -> Findings:
    """The shop's books say that more was given back than the gateway gave. Usually the shop books a refund when it asks for
    it, and again when the webhook tells of the very same one, so the customer looks refunded twice, or a second refund is
    refused. Tie the event to the refund that was asked for, by its id or your own reference. Judged at the end, where the
    shop tells what it has refunded, against the gateway's refunds of the order; where it does not, by an order that it shows as
    refunded, and of which the gateway has given nothing back.
    """
    for order in history.orders:
        given = sum(charge.amount_refunded for charge in history.charges_of(order))
        if order.refunded is not None and order.refunded > given:
            booked, gave = money.shown(order.refunded, order.currency), money.shown(given, order.currency)
            yield f"order {order.id}: the shop has booked {booked} as refunded, the gateway gave {gave}"
        elif order.refunded is None and order.status in REFUNDED and given == 0 and history.captured(order) > 0:
            yield f"order {order.id} is {order.status}, and the gateway has given nothing back"


@oracle("S10", "given back twice")
def given_back_twice(history: History) -> Findings:
    """The customer's bank had taken the money back, and the shop refunded the same charge as well: the loss is double. Usually
    nobody listens to `dispute.*`, so staff sees a paid order and a customer who complains. While a chargeback is open, or lost,
    refuse refunds of its charge; answer the dispute, or accept it. Judged for refunds that staff asked for after the shop had
    acknowledged the chargeback, while the bank still had the money, and that the gateway made.
    """
    for order in history.orders:
        for ask in order.asked_to("refund"):
            made = [each for each in history.refunds_of(order) if each.at_ms >= ask.at_ms and not each.elsewhere]
            given = sum(each.amount for each in made if each.status != FAILED_REFUND)
            if ask.charged_back and given:
                yield f"order {order.id}: {money.shown(given, order.currency)} refunded on top of a dispute that the shop knew of"


@oracle("S11", "shipped while disputed")
def shipped_while_disputed(history: History) -> Findings:
    """The customer's bank had taken the money back, and the shop shipped all the same: goods and money are gone. Usually nobody
    listens to `dispute.*`, or only a person does. While a chargeback is open, or lost, ship nothing more; ship again when it is
    won. Judged for parcels that staff asked for after the shop had acknowledged the chargeback, while the bank still had the
    money, and to which the shop said yes.
    """
    for order in history.orders:
        for ask in order.asked_to("capture"):
            if ask.charged_back and ask.promised:
                shipped = money.shown(ask.amount, order.currency)
                yield f"order {order.id}: {shipped} shipped after the customer's bank had taken the money back"
