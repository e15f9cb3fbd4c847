"""Where a fault could strike in a run, found by running: every station that a request or a webhook of the merchant's
passes, and every commit and send of the merchant itself.

`Points` counts what is reached and has the faults of one schedule strike. `ExploringPlane` stands in for the gateway's fault
plane and tells it; the story's own rules strike there as ever.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.plane import Plane, Recorder
from gatecrash.faults.rule import DELIVER, AttemptLabels, Labels, Rule, RuleParams, new_rule
from gatecrash.harness.explore.fault import Fault, Point, Schedule
from gatecrash.harness.worlds.simulated import alphabet
from gatecrash.harness.worlds.simulated.labels import BEFORE, WEBHOOK

#: What customers and the harness ask of the gateway, not the merchant.
NOT_THE_MERCHANTS = frozenset({"tokens.create", "webhook_endpoints.create", "webhook_endpoints.rotate_secret"})
_READS = (".get", ".list", ".deliveries")
#: How the ids of the explorer's own rules begin.
EXPLORED = "explored_"
#: Stations that a request comes by once it has been received, whatever else happens: nobody looks there.
_ON_THE_WAY = frozenset({"operation.claimed", "operation.committed"})


class Points:
    """The points of one run and the faults of its schedule. Nothing is counted, and nothing strikes, unless it is `open`.

    `look` gives a digest of the whole state; if it `looks`, it is asked at points after the last fault has struck.
    """

    look: Callable[[], str]

    def __init__(
        self, schedule: Schedule, patience_s: float, kinds: frozenset[str] | None = None, *, looks: bool = False
    ) -> None:
        self.open = False
        self.reached: list[Point] = []
        self.states: list[str] = []  #: at each of them, empty where nobody looked
        self.fired: list[Fault] = []
        self.last = -1
        self.patience_s = patience_s
        self.planes: list[ExploringPlane] = []
        self.failed: Exception | None = None  #: why it could not be looked
        self._kinds = kinds
        self._looks = looks
        self._wanted = {(fault.label, fault.occurrence, fault.kind): fault for fault in schedule}
        self._swapped = {
            (fault.label.partition(BEFORE)[0], fault.occurrence): fault for fault in schedule if fault.kind == alphabet.SWAPPED
        }
        self._seen: Counter[tuple[str, str]] = Counter()

    def reach(self, label: str, way: str, station: str) -> alphabet.Letter | None:
        """Count a point; the letter that is to strike there, if the schedule has one."""
        if not self.open:
            return None
        names = alphabet.AT.get((way, station), ())
        if not names:
            return None
        self._seen[label, station] += 1
        occurrence = self._seen[label, station]
        striking = next((name for name in names if (label, occurrence, name) in self._wanted), None)
        if self._kinds is not None:
            names = tuple(name for name in names if name in self._kinds or name == striking)
            if not names:
                return None
        self.reached.append(Point(label, occurrence, names))
        looks = self._looks and len(self.fired) == len(self._wanted) and station not in _ON_THE_WAY
        self.states.append(f"{label} {station} {self._seen_there()}" if looks else "")
        if striking is None:
            return None
        self._strikes_here(self._wanted[label, occurrence, striking])
        return alphabet.LETTERS[striking]

    def _seen_there(self) -> str:
        try:
            return self.look()
        except Exception as error:  # whoever is looked at must not stumble over it; and the play is none
            self.failed = self.failed or error
            return ""

    def offer(self, label: str, occurrence: int, kind: str, *, since: int) -> None:
        """A point of which the run learns after it came by; `since`: how many points it had come by then, which is its place.
        After that no fault has struck, or it would not be strictly after the last.
        """
        known = any(point.label == label and point.occurrence == occurrence for point in self.reached[since:])
        if self.open and since > self.last and not known and (self._kinds is None or kind in self._kinds):
            self.reached.insert(since, Point(label, occurrence, (kind,)))
            self.states.insert(since, "")

    def swaps(self, name: str, occurrence: int) -> Fault | None:
        """The fault with which a message of this name is to arrive after another, if the schedule has it."""
        fault = self._swapped.get((name, occurrence))
        if fault is None or not self.open:
            return None
        self.reached.append(Point(fault.label, occurrence, (fault.kind,)))
        self.states.append("")
        self._strikes_here(fault)
        return fault

    def _strikes_here(self, fault: Fault) -> None:
        """At the point that was reached last."""
        self.fired.append(fault)
        self.last = len(self.reached) - 1

    def missed(self) -> list[Fault]:
        """Those of the schedule that have not struck."""
        return [fault for fault in self._wanted.values() if fault not in self.fired]

    def close(self) -> None:
        """The end of the faults: the calm begins."""
        self.open = False
        for plane in self.planes:
            plane.calm()


class ExploringPlane(Plane):
    """A plane that is armed wherever a letter of the alphabet could strike, while points are open."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._number = 0
        super().__init__()
        points.planes.append(self)

    @property
    def armed(self) -> dict[str, list[Rule]]:
        return self._armed

    @armed.setter
    def armed(self, rules: dict[str, list[Rule]]) -> None:
        self._armed = _Everywhere(self._points, rules)

    def could_strike(self, station: str, labels: Labels) -> bool:
        return (self._points.open and (_way(labels), station) in alphabet.AT) or super().could_strike(station, labels)

    async def strike(
        self, station: str, labels: Labels, exchange: Exchange, record: Recorder, now: int, extra: Sequence[Rule] = ()
    ) -> None:
        way = _way(labels)
        letter = None if way is None else self._points.reach(_label(labels), way, station)
        if letter is not None:
            await self._strike_letter(letter, labels, exchange, record)
        if self.rules or extra:
            await super().strike(station, labels, exchange, record, now, extra)

    async def _strike_letter(self, letter: alphabet.Letter, labels: Labels, exchange: Exchange, record: Recorder) -> None:
        self._number += 1
        asked = RuleParams(letter.station, letter.kind, letter.filled(self._points.patience_s))
        rule = new_rule(f"{EXPLORED}{self._number}", asked, "")
        rule.seen = rule.fired = 1
        self.rules[rule.id] = rule  # there until the calm, or what it holds would be let go at once
        await record([], [rule], labels)
        exchange.held_by, exchange.window = rule.id, rule.window
        await rule.make().strike(exchange)

    def calm(self) -> None:
        """Let go of everything that the explorer's own rules hold."""
        for rule_id in [rule_id for rule_id in self.rules if rule_id.startswith(EXPLORED)]:
            self.remove(rule_id)


class _Everywhere(dict[str, list[Rule]]):
    """Rules by station, in which every station of the alphabet is while points are open."""

    def __init__(self, points: Points, rules: dict[str, list[Rule]]) -> None:
        super().__init__(rules)
        self._points = points

    def __contains__(self, station: object) -> bool:
        return (self._points.open and station in alphabet.STATIONS) or super().__contains__(station)


def _way(labels: Labels) -> str | None:
    """How the merchant's side of it is called; None for what is not the merchant's."""
    operation = labels.operation
    if operation is None or operation in NOT_THE_MERCHANTS:
        return None
    if operation == DELIVER:
        return "webhook"
    return "read" if operation.endswith(_READS) else "write"


def _label(labels: Labels) -> str:
    return f"{WEBHOOK}{_fact(labels)}" if labels.operation == DELIVER else str(labels.operation)


def _fact(labels: Labels) -> str | None:
    """What a webhook tells of in the core's words, so that labels read alike in every dialect; else its own type."""
    return (labels.fact if isinstance(labels, AttemptLabels) else None) or labels.event_type


def as_rule(fault: Fault, patience_s: float) -> Mapping[str, Any] | None:
    """The fault as a rule of the common vocabulary, which any gateway can be given; None for what happens elsewhere."""
    letter = alphabet.LETTERS[fault.kind]
    if not letter.is_rule:
        return None
    of_webhook, _, event_type = fault.label.partition(WEBHOOK)
    match = {"operation": fault.label} if of_webhook else {"event_type": event_type}
    params = letter.filled(patience_s)
    return {"station": letter.station, "kind": letter.kind, "params": params, "match": match, "nth": fault.occurrence}
