"""Idempotency against a model of a few lines: keys, bodies, time, declines and restarts in any order."""

from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, rule

from tests.support.client import Reply
from tests.support.machine import GatewayMachine

HOUR = 3600
DAY = 24 * HOUR
NONCE_LIFE = 3 * HOUR
KEYS = st.sampled_from(["k1", '"k1"', "k2", "k3"])


class Kept(NamedTuple):
    """What the model believes is stored under a key."""

    request: tuple[object, ...]
    at: float
    reply: Reply


class Nonce:
    def __init__(self, name: str, card: str, at: float) -> None:
        self.name, self.card, self.at, self.used = name, card, at, False


class IdempotencyMachine(GatewayMachine):
    nonces = Bundle("nonces")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.kept: dict[str, Kept] = {}
        self.money = 0
        self.charged: set[str] = set()

    @initialize(target=nonces)
    def first_nonce(self) -> Nonce:
        return self._nonce("visa")

    @rule(target=nonces, card=st.sampled_from(["visa", "declined", "insufficient_funds"]))
    def tokenize(self, card: str) -> Nonce:
        return self._nonce(card)

    def _nonce(self, card: str) -> Nonce:
        return Nonce(self.run(self.client.make_nonce(card)), card, self.now)

    @rule(key=KEYS, nonce=nonces, amount=st.sampled_from([100, 200]), spelling=st.integers(0, 2))
    def charge(self, key: str, nonce: Nonce, amount: int, spelling: int) -> None:
        body = f'"amount":{amount},"currency":"usd","payment_nonce":"{nonce.name}"'
        # the same request, spelt in other ways
        raw = ["{%s}", '{ "capture" : true, %s }', '{%s,"order_id":null}'][spelling] % body
        reply = self.run(self.client.post("/v1/charges", raw=raw.encode(), idem=key))
        self._judge(key, ("charge", nonce.name, amount), reply, lambda: self._charge(reply, nonce, amount))

    @rule(nonce=nonces)
    def charge_without_a_key(self, nonce: Nonce) -> None:
        reply = self.run(self.client.try_charge(payment_nonce=nonce.name, amount=300))
        self._charge(reply, nonce, 300)
        assert "Idempotent-Replayed" not in reply.headers

    @rule(key=KEYS)
    def client_token(self, key: str) -> None:
        reply = self.run(self.client.post("/v1/client_tokens", idem=key))
        self._judge(key, ("client_token",), reply, lambda: reply.expect(201))

    @rule(key=KEYS)
    def capture_of_nothing(self, key: str) -> None:
        reply = self.run(self.client.post("/v1/charges/txn_none/capture", idem=key))
        self._judge(key, ("capture",), reply, lambda: reply.refused(404, "resource_missing", "id"))

    @rule(key=KEYS)
    def refused_before_execution(self, key: str) -> None:
        reply = self.run(self.client.post("/v1/charges", {"amount": 0}, idem=key))
        assert reply.status == 400
        assert "Idempotent-Replayed" not in reply.headers

    @rule(seconds=st.sampled_from([1, HOUR, NONCE_LIFE, DAY - 1, DAY]))
    def time_passes(self, seconds: int) -> None:
        self.gateway.clock.advance(seconds)
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.run(self.gateway.restart())

    @rule()
    def look_at_the_books(self) -> None:
        books = self.run(self.client.books())
        assert books["balanced"]
        assert sum(order["captured"] for order in books["orders"]) == self.money
        listed = self.run(self.client.get("/v1/charges?limit=100"))["data"]
        assert {charge["id"] for charge in listed} == self.charged

    def _judge(self, key: str, request: tuple[object, ...], reply: Reply, executed: object) -> None:
        key = key.strip('"')
        kept = self.kept.get(key)
        if kept is not None and self.now < kept.at + DAY:
            if kept.request == request:
                assert (reply.status, reply.raw) == (kept.reply.status, kept.reply.raw)
                assert reply.content_type == kept.reply.content_type
                assert reply.headers["Idempotent-Replayed"] == "true"
            else:
                reply.refused(422, "idempotency_key_reused", "Idempotency-Key")
            return
        assert "Idempotent-Replayed" not in reply.headers
        executed()  # type: ignore[operator]
        self.kept[key] = Kept(request, self.now, reply)

    def _charge(self, reply: Reply, nonce: Nonce, amount: int) -> None:
        """What executing a charge gives, by the model."""
        if nonce.used:
            reply.refused(400, "nonce_used", "payment_nonce")
        elif self.now >= nonce.at + NONCE_LIFE:
            reply.refused(400, "nonce_expired", "payment_nonce")
        elif nonce.card != "visa":
            reply.refused(402, "card_declined")
            nonce.used = True
            self.charged.add(reply["charge_id"])
        else:
            assert reply.expect(201)["amount_captured"] == amount
            nonce.used = True
            self.money += amount
            self.charged.add(reply["id"])


TestIdempotency = IdempotencyMachine.TestCase
TestIdempotency.settings = settings(stateful_step_count=40)
# a failure is worth the minutes it takes to shrink
TestIdempotency.pytestmark = pytest.mark.timeout(900)
