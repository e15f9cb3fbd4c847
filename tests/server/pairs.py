"""Two rules at one station, of any two kinds: which of them strike one exchange, and whether what is on record happened."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from standardwebhooks import WebhookVerificationError

from gatecrash.faults.rule import HEADER
from gatecrash.faults.stations import STATIONS
from tests.server.aid import insist, pid_of
from tests.server.wire import Heard, ask
from tests.support.client import Client
from tests.support.waiting import eventually
from tests.webhooks.receiver import Hit, Receiver, deliveries

#: Station, kind of the rule that is added first, kind of the second.
PAIRS = [(name, first, second) for name, station in STATIONS.items() for first in station.kinds for second in station.kinds]
ON_REQUESTS = [pair for pair in PAIRS if STATIONS[pair[0]].way == "request"]
ON_WEBHOOKS = [pair for pair in PAIRS if STATIONS[pair[0]].way == "webhook"]

HELD_S = 0.06
PARAMS: dict[str, dict[str, Any]] = {
    "crash": {"down_s": 0.01}, "hang": {"seconds": HELD_S}, "delay": {"seconds": HELD_S},
    "drip": {"size": 50, "interval_s": 0.01},
    "status": {"status": 503}, "decline": {"decline_code": "lost_card"}, "rate_limit": {"limit": 1, "window_s": 3600},
    "truncate": {"size": 400}, "tamper": {"set": {"data.amount": 1}},
}  # fmt: skip
CHANGES = {"truncate", "drip", "decline", "duplicate", "forge", "tamper", "stale"}
ADD_UP = {"duplicate", "tamper"}


def is_change(station: str, kind: str) -> bool:
    return kind in CHANGES or (kind == "garbage" and station.startswith("response."))


def strike_together(station: str, first: str, second: str, *, first_is_own: bool = False) -> list[int]:
    """Which of two rules strike one exchange, in which order: 0 is the first, 1 the second. `first_is_own`: of its header."""
    kinds = (first, second)
    waits = [place for place in (0, 1) if kinds[place] == "delay" and station != "webhook.due"]
    put_off = [place for place in (0, 1) if kinds[place] in ("delay", "hold") and station == "webhook.due"][:1]
    changes = [place for place in (0, 1) if is_change(station, kinds[place])]
    if first == second and first not in ADD_UP:
        changes = changes[:1]
    others = [place for place in (0, 1) if place not in waits and kinds[place] not in ("delay", "hold", *CHANGES)]
    ends = [place for place in others if not is_change(station, kinds[place])][:1]
    if put_off:
        return put_off + changes
    if first_is_own and 0 in changes:
        ends = []  # an armed rule would take the request away from its own
    return waits + (ends or changes)


class Exchanged(NamedTuple):
    """What a client saw of one request."""

    heard: Heard
    seconds: float
    died: bool

    def shows(self, station: str, kind: str) -> bool:
        return bool(_SHOWS[kind](self, station))

    @property
    def status(self) -> str:
        return self.heard.head[0].split()[1] if self.heard.raw.startswith(b"HTTP/") else ""

    @property
    def is_whole(self) -> bool:
        return self.status != "" and len(self.heard.body) >= int(self.heard.header("content-length") or 0)

    def broke_off(self, station: str) -> bool:
        """Ended by FIN before the whole answer, if there was any left to send."""
        return not self.heard.reset and not self.died and (station == "response.sent" or not self.is_whole)


_SHOWS: dict[str, Any] = {
    "crash": lambda seen, station: seen.died,
    "reset": lambda seen, station: seen.heard.reset,
    "close": lambda seen, station: seen.broke_off(station),
    "hang": lambda seen, station: seen.broke_off(station) and seen.seconds >= HELD_S,
    "delay": lambda seen, station: seen.seconds >= HELD_S,
    "drip": lambda seen, station: seen.seconds >= 0.02,
    "truncate": lambda seen, station: len(seen.heard.body) == PARAMS["truncate"]["size"],
    "garbage": lambda seen, station: any(byte >= 0x80 for byte in seen.heard.raw),
    "status": lambda seen, station: seen.status == "503" and b'"injected"' in seen.heard.body,
    "decline": lambda seen, station: seen.status == "402" or not seen.is_whole,
    "rate_limit": lambda seen, station: seen.status == "429",
}
#: What is seen of these is seen of nothing else, so that not to see it says that it has not happened.
UNMISTAKABLE = ("crash", "status", "rate_limit", "garbage", "truncate")


async def exchange(merchant: Client, **headers: str) -> Exchanged:
    pid = await pid_of(merchant)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await merchant.make_nonce(), "order_id": "one"}
    began = time.monotonic()
    heard = await ask(merchant, "POST", "/v1/charges", body, Connection="close", **headers)
    seconds = time.monotonic() - began
    # a gateway that dies ends the connection when it does, so whoever answers next is another one
    return Exchanged(heard, seconds, await pid_of(merchant) != pid)


async def play_to_requests(merchant: Client, station: str, first: str, second: str, *, in_header: bool = False) -> None:
    """Both rules strike sooner or later; in the order of `strike_together`, and each only if it happens.

    `in_header`: the second rule is the first request's own, and so comes first.
    """
    (await insist(lambda: merchant.post("/_gatecrash/clock", {"mode": "frozen"}))).expect(200)
    kinds = [second, first] if in_header else [first, second]
    names: list[str] = ["header"] if in_header else []
    for kind in kinds[1:] if in_header else kinds:
        match = {"operation": "charges.create"} if kind == "rate_limit" else {"order_id": "one"}
        names.append(await merchant.add_fault(station, kind, params=PARAMS.get(kind, {}), match=match, times=1))
    if "rate_limit" in kinds:
        await merchant.charge()  # of another order: as many as are let through
    own = {HEADER: in_a_header(station, second)} if in_header else {}
    struck = strike_together(station, *kinds, first_is_own=in_header)
    seen = await exchange(merchant, **own)
    await check(merchant, seen, station, [(names[place], kinds[place]) for place in struck], kinds)
    left = [place for place in (0, 1) if place not in struck]
    if left:
        (kept,) = left
        shown = (await merchant.get(f"/_gatecrash/faults/{names[kept]}")).expect(200)
        counted = 1 + (kinds[kept] == "rate_limit")
        assert (shown["seen"], shown["fired"]) == (counted, 0), "it counted the request, and did not strike"
        seen = await exchange(merchant)
        both = [(names[place], kinds[place]) for place in (*struck, kept)]
        await check(merchant, seen, station, both, [kinds[kept]], struck_now=[kinds[kept]])


def in_a_header(station: str, kind: str) -> str:
    params = "".join(f";{name}={value}" for name, value in PARAMS.get(kind, {}).items())
    return f"{station}={kind}{params}"


async def check(
    merchant: Client, seen: Exchanged, station: str, on_record: Sequence[tuple[str, str]], kinds: Sequence[str],
    struck_now: Sequence[str] | None = None,
) -> None:  # fmt: skip
    entries = await merchant.journal("fault")
    assert [(entry["rule_id"], entry["fault"]) for entry in entries] == list(on_record)
    struck = [kind for _, kind in on_record] if struck_now is None else struck_now
    for kind in struck:
        assert seen.shows(station, kind), f"{kind} is on record and was not seen: {seen}"
    for kind in set(kinds) - set(struck):
        if kind in UNMISTAKABLE:
            assert not seen.shows(station, kind), f"{kind} was seen and is not on record: {seen}"


# --- webhooks


LOST = ("drop", "reset", "close", "hang")
UNBELIEVABLE = ("forge", "tamper", "stale")


async def play_to_webhooks(merchant: Client, shop: Receiver, station: str, first: str, second: str) -> None:
    """The same on a webhook's way: an attempt is struck, and another one by what is left."""
    (await insist(lambda: merchant.post("/_gatecrash/clock", {"mode": "frozen"}))).expect(200)
    endpoint = await shop.register(merchant)
    kinds = [first, second]
    match = {"order_id": "one"}
    names = [await merchant.add_fault(station, kind, params=PARAMS.get(kind, {}), match=match, times=1) for kind in kinds]
    struck = strike_together(station, first, second)
    order = [*struck, *(place for place in (0, 1) if place not in struck)]
    pid = await pid_of(merchant)
    for number in range(2):
        body = {"amount": 4200, "currency": "usd", "payment_nonce": await merchant.make_nonce(), "order_id": "one"}
        (await insist(lambda body=body, number=number: merchant.post("/v1/charges", body, idem=f"k{number}"))).expect(201)  # type: ignore[misc]
        expected = order[: len(struck)] if number == 0 else order

        async def are_on_record(expected: list[int] = expected) -> bool:
            entries = (await insist(lambda: merchant.get("/_gatecrash/journal?kind=fault")))["data"]
            told = [entry["rule_id"] for entry in entries]
            # an attempt that a crash cut off is made again at once, and met by what is left
            assert told == [names[place] for place in order][: len(told)]
            return len(told) >= len(expected)

        await eventually(are_on_record)
    # the retries, and whatever was put off
    await insist(lambda: merchant.post("/_gatecrash/clock/advance", {"seconds": 7200}))
    await insist(lambda: merchant.get("/_gatecrash/clock"))
    assert len(await merchant.journal("start")) == kinds.count("crash")
    assert (await pid_of(merchant) != pid) == ("crash" in kinds)
    made = [
        attempt
        for event in (await merchant.get("/v1/events?order_id=one"))["data"]
        for delivery in await deliveries(merchant, event["id"])
        for attempt in delivery["attempts"]
    ]
    failed = [attempt for attempt in made if "fault rule" in attempt.get("error", "")]
    assert len(failed) == sum(kind in LOST for kind in kinds)
    assert len([hit for hit in shop.hits if not _is_believed(hit, endpoint["secret"])]) >= any(k in UNBELIEVABLE for k in kinds)
    if "duplicate" in kinds:
        arrived = len(shop.hits) + sum(kind == "drop" and station == "webhook.due" for kind in kinds)
        assert arrived >= len(made) + kinds.count("duplicate")


def _is_believed(hit: Hit, secret: str) -> bool:
    try:
        hit.verified_by(secret)
    except WebhookVerificationError:
        return False
    return True
