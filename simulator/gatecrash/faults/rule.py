"""A fault rule: where it strikes, what it does, whom it matches, and when. Also its short form in a header."""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gatecrash.core.errors import Refused
from gatecrash.core.facts import FACTS
from gatecrash.core.params import screen, to_params
from gatecrash.core.verbs import VERBS
from gatecrash.faults import stations
from gatecrash.faults.exchange import Window
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.kinds.kind import Effect, Kind
from gatecrash.spelling import no_such

HEADER = "Gatecrash-Fault"
# the operation that webhook attempts are matched as
DELIVER = "webhooks.deliver"
FROM_HEADER = "header"  # the id of rules that came so, and are kept nowhere


class Vocabulary(NamedTuple):
    """The names that a rule may match on: the core's words, and the dialects with the names of their calls and events."""

    verbs: Collection[str] = VERBS
    calls: Collection[str] = ()
    events: Collection[str] = FACTS
    dialects: Collection[str] = ("native",)


class Labels(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """What is known of the request or attempt at a station; rules match on it.

    `operation` is the core's word for what is asked, `call` the dialect's own.
    """

    operation: str | None = None
    call: str | None = None
    dialect: str | None = None
    path: str | None = None
    order_id: str | None = None
    idempotency_key: str | None = None
    event_type: str | None = None
    amount: int | None = None
    attempt: int | None = None
    card: str | None = None  # its last four digits


class AttemptLabels(Labels, frozen=True):
    """Labels of a webhook attempt. `fact` is what it tells of, in the core's words; `event_type` is the dialect's own."""

    fact: str | None = None


class Match(Labels, frozen=True):
    """Labels that are wanted: every one that is given must be equal. What no label ever is, is refused.

    `event_type` is a dialect's own type or the core's word, so that a rule on `charge.succeeded` strikes in every dialect.
    """

    path: Annotated[str, Meta(pattern="^(/|https?://)")] | None = None
    amount: Annotated[int, Meta(ge=1)] | None = None
    attempt: Annotated[int, Meta(ge=1)] | None = None
    card: Annotated[str, Meta(pattern="^[0-9]{4}$")] | None = None

    def fits(self, labels: Labels) -> bool:
        told = (None, labels.event_type, labels.fact if isinstance(labels, AttemptLabels) else None)
        return self.event_type in told and all(getattr(self, name) in (None, getattr(labels, name)) for name in _EQUAL)


_EQUAL = tuple(name for name in Match.__struct_fields__ if name != "event_type")


class RuleParams(Struct, forbid_unknown_fields=True):
    """A rule as it is asked for. `times` null: every time. With a probability and no `times`, also every time."""

    station: str
    kind: str
    params: dict[str, Any] = {}
    match: Match = msgspec.field(default_factory=Match)
    nth: Annotated[int, Meta(ge=1)] = 1
    times: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    probability: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int | str | None = None


class Rule(Struct):
    """A rule that is armed: `seen` occurrences matched so far, of which `fired` were struck."""

    id: str
    station: str
    kind: str
    params: dict[str, Any]
    match: Match
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: str = ""
    seen: int = 0
    fired: int = 0
    window: Window | None = None

    @property
    def exhausted(self) -> bool:
        return self.times is not None and self.fired >= self.times

    def meets(self, labels: Labels, now: int = 0) -> bool:
        """Count an occurrence at sandbox time `now` if it matches; whether it is to be struck. No chance, so it repeats.

        Whoever strikes it counts that in `fired`.
        """
        if self.exhausted or not self.match.fits(labels):
            return False
        self.seen += 1
        if self.seen < self.nth or not self._drawn():
            return False
        strikes, self.window = self.make().counts(self.window, now)
        return strikes

    def uncount(self, *, met: bool) -> None:
        """Take back one occurrence whose commit failed; `met`, if it was to be struck."""
        self.seen -= 1
        if self.window is not None and self.window.passed and not met:
            self.window = Window(self.window.ends_at, self.window.passed - 1)

    def _drawn(self) -> bool:
        if self.probability is None:
            return True
        draw = blake2b(f"{self.seed}:{self.seen}".encode(), digest_size=8).digest()
        return int.from_bytes(draw, "big") / 2**64 < self.probability

    @property
    def effect(self) -> Effect:
        """What a strike does to the exchange."""
        return KINDS[self.kind].does_at(self.station)

    def make(self) -> Kind:
        return msgspec.convert(self.params, KINDS[self.kind])


def new_rule(rule_id: str, asked: RuleParams, default_seed: str, vocabulary: Vocabulary = Vocabulary()) -> Rule:  # noqa: B008 - a constant
    """A checked rule; refused with the reason when it makes no sense."""
    stations.check(asked.station, asked.kind)
    try:
        to_params(KINDS[asked.kind], asked.params)
    except Refused as refused:
        name = f"params.{refused.param}" if refused.param else "params"
        raise Refused("fault_rule_invalid", f"in params of {asked.kind}: {refused.detail}", name) from refused
    for param in KINDS[asked.kind].events:
        _check_known(f"params.{param}", asked.params.get(param), "type of event", vocabulary.events)
    match = _for_operation(asked)
    _check_match(asked, vocabulary)
    times = asked.times
    if isinstance(times, UnsetType):
        times = None if asked.probability is not None or KINDS[asked.kind].always else 1
    seed = default_seed if asked.seed is None else str(asked.seed)
    return Rule(
        rule_id, asked.station, asked.kind, asked.params, match, asked.nth, times, asked.probability, seed
    )  # fmt: skip


# what a rule can match on, by the way its station lies on; the rest is known on both
_ONLY = {"request": {"call", "idempotency_key", "card"}, "webhook": {"event_type", "attempt"}}


def _for_operation(asked: RuleParams) -> Match:
    """What a rule matches, if its kind is for one operation only: that one."""
    only = KINDS[asked.kind].operation
    if only is None:
        return asked.match
    if asked.match.operation not in (None, only):
        raise Refused(
            "fault_rule_invalid",
            f"match.operation was {asked.match.operation!r}; {asked.kind} strikes {only} alone, so expected that, or none.",
            "match.operation",
        )
    return msgspec.structs.replace(asked.match, operation=only)


def _check_match(asked: RuleParams, vocabulary: Vocabulary) -> None:
    """Refuse a match that nothing could ever fit: a misspelt name would read as a fault survived."""
    way = stations.STATIONS[asked.station].way
    match = asked.match
    for other, names in _ONLY.items():
        for name in sorted(names):
            if other != way and getattr(match, name) is not None:
                raise Refused(
                    "fault_rule_invalid",
                    f"match.{name} is known at {other} stations only, and {asked.station} is none; leave it out.",
                    f"match.{name}",
                )
    _check_known("match.operation", match.operation, "operation", vocabulary.verbs if way == "request" else (DELIVER,))
    _check_known("match.call", match.call, "call", vocabulary.calls)
    _check_known("match.dialect", match.dialect, "dialect", vocabulary.dialects)
    _check_known("match.event_type", match.event_type, "type of event", vocabulary.events)


def _check_known(param: str, given: object, what: str, known: Collection[str]) -> None:
    if isinstance(given, str) and given not in known:
        raise Refused("fault_rule_invalid", f"{param}: {no_such(what, [given[:60]], sorted(known))}.", param)


def parse_header(value: str, operation: str) -> list[Rule]:
    """`STATION=KIND[;PARAM=VALUE…][, …]` → rules for this one request, which asks for `operation`."""
    if not value.isascii():
        raise Refused("fault_rule_invalid", f"{HEADER} holds characters that are not ASCII; write them as JSON escapes.", HEADER)
    rules = []
    for part in value.split(","):
        where, *params = part.split(";")
        station, equals, kind = where.strip().partition("=")
        if not equals:
            raise Refused(
                "fault_rule_invalid",
                f"{HEADER} was {value[:80]!r}; expected STATION=KIND, such as operation.committed=reset, "
                "with params as in operation.claimed=delay;seconds=1.5.",
                HEADER,
            )
        given = {}
        for param in params:
            name, _, text = param.strip().partition("=")
            given[name.strip()] = _value(text.strip())
        if station.strip().startswith("webhook."):
            raise Refused(
                "fault_rule_invalid",
                f"{HEADER} named {station.strip()}, where no request passes; add a rule with POST /_gatecrash/faults instead.",
                HEADER,
            )
        rule = new_rule(FROM_HEADER, RuleParams(station.strip(), kind.strip(), screen(given)), "")
        _check_for_one(rule, operation)
        rules.append(rule)
    _check_together(rules)
    return rules


def _check_together(rules: Sequence[Rule]) -> None:
    """Refuse a rule of a header that could not strike because of another one at its station: it has no later request."""
    for station in {rule.station: None for rule in rules}:
        here = [rule for rule in rules if rule.station == station]
        struck = struck_together(here)
        for rule in here:
            if rule.effect != Effect.WAITS and rule not in struck:
                raise Refused(
                    "fault_rule_invalid",
                    f"{HEADER} named {rule.kind} at {station} beside {struck[0].kind}, and only one of them can strike this "
                    "request; leave one out.",
                    HEADER,
                )


def struck_together(rules: Sequence[Rule]) -> list[Rule]:
    """Of rules that are to strike one exchange at one station, those that do once the waits are over; the others keep.

    The first that puts the exchange off does so, with what changes it; else the first that ends it does that alone; else it is
    changed. A rule of the request's own header gives way to no armed rule, since it has no other request to strike.
    """
    own = [rule for rule in rules if rule.id == FROM_HEADER]
    struck = _together(own)
    for rule in rules if struck else ():
        with_it = _together([*struck, rule])
        if rule not in own and len(with_it) > len(struck):
            struck = with_it
    return struck or _together(rules)


def _together(rules: Sequence[Rule]) -> list[Rule]:
    by_effect = {effect: [rule for rule in rules if rule.effect == effect] for effect in Effect}
    changes: list[Rule] = []
    for rule in by_effect[Effect.CHANGES]:
        if KINDS[rule.kind].adds_up or all(rule.kind != other.kind for other in changes):
            changes.append(rule)
    if by_effect[Effect.PUTS_OFF]:
        return [*by_effect[Effect.PUTS_OFF][:1], *changes]
    return by_effect[Effect.ENDS][:1] or changes


def _check_for_one(rule: Rule, operation: str) -> None:
    """Refuse what could never strike this one request: a fault that does nothing would read as a fault survived."""
    if KINDS[rule.kind].always:
        raise Refused(
            "fault_rule_invalid",
            f"{rule.kind} counts requests, and the header is for one alone; add a rule with POST /_gatecrash/faults instead.",
            HEADER,
        )
    if not rule.match.fits(Labels(operation=operation)):
        raise Refused(
            "fault_rule_invalid",
            f"{rule.kind} strikes {rule.match.operation} alone, and this request is {operation}; send it with that.",
            HEADER,
        )


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
