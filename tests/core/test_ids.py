"""Ids: seeded, sorted as they were made, and never to be taken for a card number."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gatecrash.core.card_numbers import holds_known_number
from gatecrash.core.ids import Ids, derive_seed
from gatecrash.core.redaction import mask


def test_the_same_seed_gives_the_same_ids() -> None:
    ours, theirs = Ids("7"), Ids("7")
    assert [ours.new("txn") for _ in range(50)] == [theirs.new("txn") for _ in range(50)]
    assert ours.secret("whsec", 32) == theirs.secret("whsec", 32)


def test_another_seed_gives_other_ids() -> None:
    assert {Ids("7").new("txn") for _ in range(1)}.isdisjoint({Ids("8").new("txn")})


def test_ids_go_on_where_they_stopped() -> None:
    whole = Ids("7")
    made = [whole.new("txn") for _ in range(20)]
    first = Ids("7")
    begun = [first.new("txn") for _ in range(7)]
    resumed = Ids("7", issued=first.issued)
    assert begun + [resumed.new("txn") for _ in range(13)] == made


def test_ids_sort_in_the_order_they_were_made_and_never_repeat() -> None:
    ids = Ids("7")
    made = [ids.new("txn") for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_secret_is_as_long_as_asked_and_never_the_same_twice() -> None:
    ids = Ids("7")
    secrets = [ids.secret("whsec", size) for size in (16, 32, 32, 64)]
    assert [len(secret) for secret in secrets] == [16, 32, 32, 64]
    assert len(set(secrets)) == 4


@given(seed=st.text(), issued=st.integers(0, 0xFFFF_FFFE), prefix=st.sampled_from(["txn", "re", "nonce", "evt", "we", "req"]))
def test_no_id_holds_a_run_of_digits_as_long_as_a_card_number(seed: str, issued: int, prefix: str) -> None:
    made = Ids(seed, issued).new(prefix)
    assert re.fullmatch(prefix + "_[0-9a-f]{8}[a-z]{12}", made)
    assert max((len(run) for run in re.findall("[0-9]+", made)), default=0) < 13
    assert not holds_known_number(made)
    assert mask(made) == made


def test_each_sandbox_has_a_seed_of_its_own() -> None:
    seeds = {derive_seed(seed, name) for seed in ("0", "1") for name in ("", "a", "b", "a:b")}
    assert len(seeds) == 8
    assert derive_seed("0", "a") == derive_seed("0", "a")


def test_the_newest_sorts_behind_every_id_so_far_and_before_all_later_ones() -> None:
    ids = Ids("7")
    for _ in range(20):
        earlier, newest, later = ids.new("dlv"), ids.newest("dlv"), ids.new("dlv")
        assert earlier < newest < later
