"""Which messages could come the other way round: those that are there at once, and do not follow from each other."""

from gatecrash.harness.explore.fault import Fault, Point
from gatecrash.harness.worlds.simulated.messages import Hold, Kind, Message
from gatecrash.harness.worlds.simulated.orders import Orders
from gatecrash.harness.worlds.simulated.points import Points

BOTH = "answer to POST /v1/charges before POST /webhooks"


class Wire:
    """Messages of a run, by hand. Each takes half a millisecond."""

    def __init__(self, *schedule: Fault) -> None:
        self.now = 0.0
        self.points = Points(schedule, patience_s=0.5)
        self.points.open = True
        self.orders = Orders(self.points, lambda: self.now)

    def send(self, connection: int, source: str, target: str, data: bytes) -> tuple[Message, Hold | None]:
        message = Message(connection, source, target, Kind.DATA, data)
        asked = self.orders.asked(message)
        return message, None if asked is None else self.orders.leaves(message, asked)

    def land(self, message: Message, after_s: float = 0.0005) -> Message:
        self.now += after_s
        self.orders.landed(message)
        return message

    def charge(self) -> None:
        """The merchant asks for a charge, and the gateway has it."""
        self.land(self.send(1, "merchant", "gateway", b"POST /v1/charges HTTP/1.1\r\n")[0])

    def answer(self) -> tuple[Message, Hold | None]:
        return self.send(1, "gateway", "merchant", b"HTTP/1.1 201 Created\r\n")

    def webhook(self, connection: int = 2) -> tuple[Message, Hold | None]:
        return self.send(connection, "gateway", "merchant", b"POST /webhooks HTTP/1.1\r\n")

    @property
    def offered(self) -> list[tuple[str, int]]:
        return [(point.label, point.occurrence) for point in self.points.reached]


def test_two_on_their_way_to_one_host_can_be_swapped() -> None:
    wire = Wire()
    wire.charge()
    wire.answer()
    wire.webhook()
    assert wire.offered == [(BOTH, 1)]


def test_one_that_came_a_moment_ago_might_have_come_later_and_one_that_came_long_ago_not() -> None:
    for passed_s, offered in ((0.001, [(BOTH, 1)]), (0.01, [])):
        wire = Wire()
        wire.charge()
        wire.land(wire.answer()[0])
        wire.now += passed_s
        wire.webhook()
        assert wire.offered == offered


def test_what_was_sent_by_one_who_has_heard_of_the_first_follows_from_it() -> None:
    wire = Wire()
    wire.charge()
    wire.land(wire.answer()[0])
    wire.land(wire.send(3, "merchant", "gateway", b"GET /v1/charges HTTP/1.1\r\n")[0])
    wire.webhook()
    assert wire.offered == []


def test_the_rest_of_a_message_and_a_look_are_no_rivals() -> None:
    wire = Wire()
    wire.charge()
    wire.answer()
    assert wire.send(1, "gateway", "merchant", b'{"id": "txn_1"}')[1] is None
    wire.send(4, "harness", "merchant", b"GET /orders/1 HTTP/1.1\r\n")
    assert wire.offered == []


def test_a_point_stands_where_the_first_message_left() -> None:
    """Held from there on, it can meet whatever comes in between."""
    wire = Wire()
    wire.charge()
    wire.answer()
    between = Point("merchant commit", 1, ("killed before commit",))
    wire.points.reached.append(between)
    wire.points.states.append("s")
    wire.webhook()
    assert [point.label for point in wire.points.reached] == [BOTH, between.label]
    assert wire.points.states == ["", "s"]


def test_after_another_fault_has_struck_in_between_it_is_none_any_more() -> None:
    wire = Wire(Fault("merchant commit", 1, "killed before commit"))
    wire.charge()
    wire.answer()
    assert wire.points.reach("merchant commit", "commit", "merchant") is not None
    wire.webhook()
    assert wire.offered == [("merchant commit", 1)]


def test_the_first_is_held_until_the_second_arrives_and_not_one_like_it_that_had_left_before() -> None:
    wire = Wire(Fault(BOTH, 1, "swapped"))
    wire.charge()
    earlier, _ = wire.webhook()
    answer, hold = wire.answer()
    later, _ = wire.webhook(3)
    assert hold is not None
    assert hold.what_for == BOTH
    assert [hold.until(each) for each in (earlier, later, answer)] == [False, True, False]
    assert wire.points.fired == [Fault(BOTH, 1, "swapped")]
