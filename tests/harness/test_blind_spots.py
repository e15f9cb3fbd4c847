"""What a profile leaves unjudged, what it could say, and where a shop's data may lie: guesses that are told, never acted upon."""

import os
import time
from dataclasses import replace
from pathlib import Path

from gatecrash.harness.blind_spots import blind_spots
from gatecrash.harness.history import Attempt, History, Order
from gatecrash.harness.isolation import suspects
from gatecrash.harness.merchant_profile import Start, reference
from gatecrash.harness.oracles import ORACLES, judge
from gatecrash.harness.proposals import proposed


def test_a_profile_that_says_everything_leaves_nothing_unjudged() -> None:
    assert blind_spots(reference()) == []


def test_each_thing_that_is_missing_names_its_oracles_and_no_oracle_is_named_twice() -> None:
    bare = replace(
        reference(), read_order=None, fulfilments=None, refunded=None, webhook_path=None, refund=None, ship=None, start=None
    )
    named = [code for each in blind_spots(bare) for code in each.oracles]
    assert sorted(named) == sorted(set(named))
    assert {code for code in ORACLES if not code.startswith("P")} - set(named) == {"S1", "S2", "L5"}
    assert [each.oracles for each in blind_spots(replace(reference(), fulfilments=None))] == [("S4", "L4")]


def test_an_oracle_that_is_not_asked_objects_to_nothing() -> None:
    order = Order(
        id="1", amount=4200, currency="usd", statuses=("PENDING",), attempts=(Attempt(card="visa", nonce="n", told="PENDING"),)
    )
    stuck = History(story="s", merchant="m", orders=(order,))
    assert [each.oracle for each in judge(stuck)] == ["L2"]
    assert judge(replace(stuck, not_asked=frozenset({"L2"}))) == []


def test_fields_that_look_like_it_are_proposed_the_shallowest_first_and_others_not() -> None:
    page = {"order": {"parcels": ["a"], "total": 7}, "shipped": 1, "shipped_at": "2026-12-01", "is_shipped": True, "id": 7}
    assert proposed("fulfilments", page) == ['fulfilments = "/shipped"', 'fulfilments = "/order/parcels"']
    assert proposed("refunded", {"refunds": {"amount_refunded": "0.00"}}) == ['refunded = "/refunds/amount_refunded"']
    assert proposed("order_id", {"data": {"order/id": 7}, "ok": True}) == []
    assert proposed("order_id", {"data": {"order_id": 7}, "ok": True}) == ['order_id = "/data/order_id"']
    assert proposed("status", {"payment": {"state": "new"}}) == ['status = "/payment/state"']
    assert proposed("fulfilments", ["no object"]) == proposed("fulfilments", None) == []


def test_the_settings_that_may_keep_data_elsewhere_are_named(tmp_path: Path) -> None:
    scratch, shop = tmp_path / "scratch", tmp_path / "shop"
    scratch.mkdir()
    shop.mkdir()
    (shop / "old.db").touch()
    os.utime(shop / "old.db", (1, 1))
    env = {"BOOKS": "sqlite:///{scratch}/shop.sqlite?mode=rwc", "DATABASE_URL": "postgres://db/shop", "PORT": "{port}"}
    profile = replace(reference(), start=Start(command=("x",), cwd=shop, env=env), origin=None)
    values = {"scratch": str(scratch), "port": 1}
    since = time.time() - 60
    told = suspects(profile, values, since)
    assert any("BOOKS names a file that was never written" in line for line in told)
    assert any("DATABASE_URL is the same in every run" in line for line in told)
    assert not any("in its own folder" in line for line in told)
    (scratch / "shop.sqlite").touch()
    (shop / "new.db").touch()
    told = suspects(profile, values, since)
    assert "it wrote new.db in its own folder" in told[0]
    assert not any("never written" in line for line in told)
