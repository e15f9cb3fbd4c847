"""The watches that rules keep: each is told what happens, in order, and says what it found wrong."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, NamedTuple

from gatecrash.lint.calls import REMEMBERED, Call, Delivery, Pace

# webhooks: how soon a good answer comes, in milliseconds, and how many bad ones in a row are too many
LATE_MS = 5_000
REFUSALS = 3
# retries: a pause of so many seconds is long enough, whatever the one before; the later of three is to be so much longer
LONG_PAUSE_S = 1.0
GROWTH = 1.5
PAUSES = 3
# pauses as short as that are the way of a request and chance, and tell of no growth
HURRY_S = 0.02
# a clock's grain, and the way of a request
SLACK_S = 0.05
# what lies within one tick of the journal's clock
TICK_S = 0.0005
# tries that are begun so evenly are begun in step: a client's own timer is no more exact
EVEN_S = 0.01
# polling: so many of one kind in a second
POLLS = 10
# unknown outcomes: sandbox seconds until somebody should have asked
PATIENCE_S = 600


class Found(NamedTuple):
    """Something wrong: at which call or delivery, and the particulars."""

    at: Call | Delivery
    detail: str


class Watch:
    """Sees everything, finds nothing. Subclasses remember what they need, and no more than that."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def asked(self, call: Call) -> Iterator[Found]:
        """A request came in."""
        yield from ()

    def ended(self, call: Call) -> Iterator[Found]:
        """It was answered, or broke off."""
        yield from ()

    def delivered(self, delivery: Delivery) -> Iterator[Found]:
        """A webhook was attempted."""
        yield from ()

    def arrived(self, fact: str, order_id: str | None) -> None:
        """A webhook has been read by the client, whatever becomes of its answer."""

    def left(self, now: int | None) -> Iterator[Found]:
        """What is still open at sandbox time `now`, or with None when nothing more will come."""
        yield from ()

    def remembers(self) -> Iterator[tuple[object, ...]]:
        """What has been seen that may yet count."""
        yield from ()


class Coded(Watch):
    """Finds answers with certain codes."""

    codes: ClassVar[dict[str, str]]

    def ended(self, call: Call) -> Iterator[Found]:
        if call.code in self.codes:
            yield Found(call, self.codes[call.code])


class KeyReused(Coded):
    codes: ClassVar = {"idempotency_key_reused": "The key was first used with another request, and this one was refused."}


class CardSent(Coded):
    codes: ClassVar = {
        "card_number_in_request": "The call held what looks like a card number; it was refused, and the number not kept.",
        "secret_key_not_allowed": "The card was sent with the secret key, so a server of yours held it; it was refused.",
    }


class UnknownField(Coded):
    codes: ClassVar = {"parameter_unknown": "A field, or a query parameter, is unknown to this call; it was refused."}


class NonceReused(Coded):
    codes: ClassVar = {"nonce_used": "The nonce had paid, or been declined, before; the call was refused."}


class PublishableKey(Coded):
    codes: ClassVar = {"publishable_key_not_allowed": "The call was refused: this key can be read by every visitor of your page."}


class Header(Coded):
    codes: ClassVar = {"idempotency_key_invalid": "The Idempotency-Key is no key, and the call was refused."}

    def asked(self, call: Call) -> Iterator[Found]:
        for name in call.misused_headers:
            why = "a GET or DELETE needs none" if call.method != "POST" else "it is not the header that protects a call"
            yield Found(call, f"The header {name} was sent, and nobody reads it there: {why}.")


class NoKey(Watch):
    def ended(self, call: Call) -> Iterator[Found]:
        if call.does_something and call.key is None and call.understood:
            outcome = f"was answered {call.status}" if call.status is not None else "was not answered"
            yield Found(call, f"{call.method} {call.path} had no Idempotency-Key, and {outcome}.")


class Tries(Watch):
    """Keeps the tries under each key, until one of them ends well."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self.tries: OrderedDict[tuple[str, str], list[Call]] = OrderedDict()

    def asked(self, call: Call) -> Iterator[Found]:
        if call.key is None or not call.changes:
            return
        tries = self.tries.setdefault((call.operation, call.key), [])
        if tries and tries[-1].to_be_repeated:
            yield from self.again(tries, call)
        tries.append(call)
        while len(self.tries) > REMEMBERED:
            self.tries.popitem(last=False)

    def ended(self, call: Call) -> Iterator[Found]:
        if call.key is not None and not call.to_be_repeated:
            self.tries.pop((call.operation, call.key), None)
        yield from ()

    def remembers(self) -> Iterator[tuple[object, ...]]:
        for (operation, key), tries in self.tries.items():
            if len(tries) > 1 or tries[-1].retry_after_s:  # one try alone has made no pause
                pauses = [self.pause_s(before, after) for before, after in pairwise(tries)]
                steps = self.steps_s(tries) if len(tries) <= PAUSES and not any(pauses) else []
                yield operation, key, pauses[-PAUSES:], steps, tries[-1].ended_at is not None, tries[-1].retry_after_s

    def again(self, tries: list[Call], call: Call) -> Iterator[Found]:
        """A call comes again; `tries` are those before it."""
        yield from ()

    def pause_s(self, before: Call, after: Call) -> float | None:
        if before.ended_at is None or after.seq < before.ended_seq:
            return None  # the client had given it up before it ended, and nobody knows when
        pause_s = self.pace.seconds(before.ended_at, after.at)
        return TICK_S if pause_s == 0 and self.pace.seconds(before.at, after.at) else pause_s

    def steps_s(self, tries: list[Call]) -> list[float]:
        """How long after one another they were begun; nothing while nobody can tell."""
        steps = (self.pace.seconds(before.at, after.at) for before, after in pairwise(tries))
        return [step for step in steps if step is not None]


class NoBackoff(Tries):
    def asked(self, call: Call) -> Iterator[Found]:
        if call.looks:  # who looks before trying again begins a new round
            for under in [under for under, tries in self.tries.items() if call.looks_after(tries[-1])]:
                del self.tries[under]
        yield from super().asked(call)

    def again(self, tries: list[Call], call: Call) -> Iterator[Found]:
        every = [*tries, call]
        pauses = [self.pause_s(before, after) for before, after in pairwise(every)]
        # one that nobody knows may have been long: what came before it is over
        known: list[float] = []
        for pause in pauses:
            known = [] if pause is None else [*known, pause]
        if self.hurries(known) and not any(self.hurries(known[:size]) for size in range(PAUSES, len(known))):
            waited = ", ".join(f"{pause:.3f} s" for pause in known[-PAUSES:])
            yield Found(call, f"Try {len(every)} under one key; the pauses between them were {waited}, and did not grow.")
        elif pauses == [None] * PAUSES and self.in_step(steps := self.steps_s(every)):
            begun = ", ".join(f"{step:.3f} s" for step in steps)
            yield Found(call, f"Try {len(every)} under one key; each gave up the one before it, and began {begun} after it.")

    @staticmethod
    def in_step(steps: list[float]) -> bool:
        """Whether tries follow one another evenly: nobody knows which part of a step was a pause, but had it grown, so would the
        step. What is begun in one moment is no step, but a call that is made twice.
        """
        return bool(steps) and min(steps) > HURRY_S and max(steps) < LONG_PAUSE_S and max(steps) - min(steps) < EVEN_S

    @staticmethod
    def hurries(known: list[float]) -> bool:
        """Whether the first pauses do not grow; or the last ones are none to speak of, however they came out at first."""
        last = known[-PAUSES:]
        # no pause at all, ever, is a clock that stands rather than a client that hurries
        if len(last) < PAUSES or not any(last):
            return False
        if len(known) == PAUSES and max(last) < LONG_PAUSE_S and max(last[1:]) < GROWTH * last[0]:
            return True
        return max(last) < HURRY_S


class RetryAfterIgnored(Tries):
    def again(self, tries: list[Call], call: Call) -> Iterator[Found]:
        asked_s, waited_s = tries[-1].retry_after_s, self.pause_s(tries[-1], call)
        if asked_s and waited_s and waited_s < asked_s - SLACK_S:
            yield Found(call, f"Retry-After was {asked_s:g} s, and the call came again after {waited_s:.3f} s.")


class Open(Watch):
    """Keeps the calls whose outcome is unknown to who made them, until they ask again, look, or are told by a webhook."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self.open: OrderedDict[str, Call] = OrderedDict()
        self._by: defaultdict[tuple[str | None, ...], dict[str, Call]] = defaultdict(dict)

    def asked(self, call: Call) -> Iterator[Found]:
        yield from self.before(call)
        if call.looks:
            self._close(self.found_by("order", call.order_id) if call.order_id is not None else list(self.open.values()))
        elif call.does_something:
            if call.key is not None:
                self._close(self.found_by("key", call.operation, call.key))
            self.open[call.request_id] = call
            for handle in _handles(call):
                self._by[handle][call.request_id] = call
            while len(self.open) > REMEMBERED:
                self._close([next(iter(self.open.values()))])

    def ended(self, call: Call) -> Iterator[Found]:
        if not call.to_be_repeated:
            # a twin that was told to wait has its answer too
            twins = self.found_by("key", call.operation, call.key) if call.key is not None else []
            self._close([one for one in twins if one.ended_at is not None] or self.found_by("id", call.request_id))
        yield from ()

    def delivered(self, delivery: Delivery) -> Iterator[Found]:
        if self.settles(delivery) and delivery.order_id is not None:
            self._close(self.found_by("order", delivery.order_id))
        yield from ()

    def settles(self, delivery: Delivery) -> bool:
        """Whether the client knows by it what became of an order's calls."""
        return delivery.acknowledged

    def remembers(self) -> Iterator[tuple[object, ...]]:
        yield from {(call.subject, call.key, call.amount, call.unknown, call.ended_at is not None) for call in self.open.values()}

    def before(self, call: Call) -> Iterator[Found]:
        """A call comes in, and `open` is as it was before it."""
        yield from ()

    def found_by(self, *handle: str | None) -> list[Call]:
        return list(self._by[handle].values()) if handle in self._by else []

    def _close(self, settled: list[Call]) -> None:
        for one in settled:
            del self.open[one.request_id]
            for handle in _handles(one):
                del self._by[handle][one.request_id]
                if not self._by[handle]:
                    del self._by[handle]


def _handles(call: Call) -> Iterator[tuple[str | None, ...]]:
    """What an open call is found by."""
    yield "id", call.request_id
    if call.key is not None:
        yield "key", call.operation, call.key
    if call.order_id is not None:
        yield "order", call.order_id
    if call.subject is not None:
        yield "subject", *call.subject


class NewKey(Open):
    def settles(self, delivery: Delivery) -> bool:
        # who is told that it succeeded has less reason than ever to ask again; who was told, and died before it could
        # acknowledge that, knows all the same
        return delivery.may_have_told and not delivery.fact.endswith(_TOLD_OF_MONEY)

    def arrived(self, fact: str, order_id: str | None) -> None:
        if order_id is not None and not fact.endswith(_TOLD_OF_MONEY):
            self._close(self.found_by("order", order_id))

    def before(self, call: Call) -> Iterator[Found]:
        if not call.does_something or call.subject is None:
            return
        for one in self.found_by("subject", *call.subject):
            # 429 says that nothing was done: then another key does no harm
            if one.amount == call.amount and one.unknown and (one.key is None or one.key != call.key):
                how = "under a new key" if call.key is not None else "without a key"
                detail = f"{one.request_id} had asked for the same, and its outcome was unknown ({_why(one)}); this came {how}."
                yield Found(call, detail)
                return


class NotResolved(Open):
    def left(self, now: int | None) -> Iterator[Found]:
        for one in self.open.values():
            if now is None or (one.ended_at is not None and now - one.ended_at >= PATIENCE_S * 1000):
                yield Found(one, f"Its outcome is unknown ({_why(one)}), and it was neither repeated with its key nor looked up.")


# events that are no leave to charge again; a part that was given back or taken is done, and the next one is another
_TOLD_OF_MONEY = ("charge.succeeded", "charge.authorized")


def _why(call: Call) -> str:
    return call.broken or (f"it was answered {call.status}" if call.status is not None else "it was not answered")


class HotPolling(Watch):
    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self._asked: OrderedDict[tuple[str, str, str | None], deque[Call]] = OrderedDict()

    def asked(self, call: Call) -> Iterator[Found]:
        if call.changes:
            return
        what = call.operation, call.path, call.order_id
        recent = self._asked.setdefault(what, deque(maxlen=POLLS))
        self._asked.move_to_end(what)
        first = recent[0] if len(recent) == POLLS else None
        recent.append(call)
        within_s = None if first is None else self.pace.seconds(first.at, call.at)
        if within_s and within_s < 1.0:
            yield Found(call, f"{POLLS + 1} times the same GET {call.path} within {within_s:.3f} s.")
            recent.clear()
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)


class LateAnswer(Watch):
    def delivered(self, delivery: Delivery) -> Iterator[Found]:
        if delivery.struck:
            return
        if delivery.latency_ms is not None and delivery.latency_ms > LATE_MS and delivery.status is not None:
            yield Found(delivery, f"The answer to {_named(delivery)} took {delivery.latency_ms / 1000:.1f} s.")
        elif delivery.status is None and (delivery.error or "").startswith("no answer within"):
            yield Found(delivery, f"{_named(delivery)} got {delivery.error}, and is sent again.")


class Refusals(Watch):
    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self._in_a_row: dict[str, int] = {}

    def delivered(self, delivery: Delivery) -> Iterator[Found]:
        if delivery.status is None or delivery.struck:  # lost on the way; or forged, say, and rightly refused
            return
        row = 0 if delivery.acknowledged else self._in_a_row.get(delivery.endpoint_id, 0) + 1
        self._in_a_row[delivery.endpoint_id] = row
        if row == REFUSALS:
            yield Found(
                delivery, f"The endpoint answered {row} webhooks in a row with no 2xx, {_named(delivery)} with {delivery.status}."
            )


def _named(delivery: Delivery) -> str:
    return f"{delivery.event_type} {delivery.event_id}, attempt {delivery.attempt}"
