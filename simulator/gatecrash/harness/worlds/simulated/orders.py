"""Which messages could as well arrive the other way round, found by running.

Two are ready at once at a host when the second leaves for it before the first one has arrived there, or so shortly after that a
little more delay would have done it; and when who sends the second has not heard from that host in between, so cannot have been
moved to it by the first. Who strikes such an order holds the first until the second has arrived.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from gatecrash.harness.world import Host
from gatecrash.harness.worlds.simulated import alphabet, labels
from gatecrash.harness.worlds.simulated.hosts import HARNESS
from gatecrash.harness.worlds.simulated.messages import Hold, Message
from gatecrash.harness.worlds.simulated.points import Points

#: How much later a message may arrive, in seconds, and how many of those that left last could have been that.
_LATE_S = 0.002
_RIVALS = 3


@dataclass(slots=True)
class _Sent:
    """A message with which something begins. `reached` is how many points the run had come by, `arrived_at` None on the way."""

    message: Message
    name: str
    occurrence: int
    reached: int
    arrived_at: float | None = None


class Orders:
    """Those of one run; `now` is its time."""

    def __init__(self, points: Points, now: Callable[[], float]) -> None:
        self._points, self._now = points, now
        self._asked: dict[int, str] = {}  # what was asked last on a connection
        self._counts: Counter[str] = Counter()
        self._recent: deque[_Sent] = deque(maxlen=_RIVALS)
        self._heard: dict[tuple[str, str], float] = {}  # who heard from whom, and when

    def asked(self, message: Message) -> str | None:
        """What is asked with a request that begins with this message, or was, if an answer does; None where nothing begins."""
        if not message.data.startswith(b"HTTP/1."):
            asks = labels.asks(message.data)
            if asks is None:
                return None
            self._asked[message.connection] = asks
        return self._asked[message.connection]

    def leaves(self, message: Message, asked: str) -> Hold | None:
        """What becomes of a message with which something begins; offers the orders of others and it."""
        answers = message.data.startswith(b"HTTP/1.")
        concerned = Host.MERCHANT.value in (message.source, message.target) and message.target != HARNESS
        if not self._points.open or not concerned or (asked.startswith("GET ") and not answers):
            return None  # customers take things as they come, and a request that only reads changes nothing where it arrives
        name = self._name(message, asked)
        for rival in self._recent:
            if self._ready_at_once(rival, message):
                self._points.offer(f"{rival.name}{labels.BEFORE}{name}", rival.occurrence, alphabet.SWAPPED, since=rival.reached)
        self._counts[name] += 1
        sent = _Sent(message, name, self._counts[name], len(self._points.reached))
        self._recent.append(sent)
        fault = self._points.swaps(name, sent.occurrence)
        if fault is None:
            return None
        other = fault.label.partition(labels.BEFORE)[2]
        held_s = alphabet.LETTERS[fault.kind].filled(self._points.patience_s)["seconds"]
        earlier = [each.message for each in self._recent]

        def is_other(arrived: Message) -> bool:
            left_before = any(arrived is each for each in earlier)
            asked = self.asked(arrived)
            return (
                arrived.target == message.target and not left_before and asked is not None and self._name(arrived, asked) == other
            )

        return Hold(held_s, is_other, fault.label)

    def landed(self, message: Message) -> None:
        self._heard[message.target, message.source] = self._now()
        for sent in self._recent:
            if sent.message is message:
                sent.arrived_at = self._now()

    def _ready_at_once(self, first: _Sent, second: Message) -> bool:
        if first.message.target != second.target or first.message.connection == second.connection:
            return False
        if first.arrived_at is None:
            return True
        heard_at = self._heard.get((second.source, second.target), 0.0)
        return self._now() - first.arrived_at <= _LATE_S and heard_at <= first.arrived_at

    def _name(self, message: Message, asked: str) -> str:
        return f"{labels.ANSWER_TO}{asked}" if message.data.startswith(b"HTTP/1.") else asked
