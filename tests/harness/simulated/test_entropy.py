"""Randomness that follows from a seed, in every process."""

import pytest

from tests.support.fresh import printed_by

DRAWS = """
    import os, random, secrets, uuid, tempfile
    from os import urandom as taken_before
    from random import Random, choice, random as draw
    from secrets import token_hex
    from gatecrash.harness.worlds.simulated import clock, entropy

    class Ids:
        source = os.urandom
        def __init__(self, read=os.urandom): self.read = read

    def drawn():
        return [
            os.urandom(5).hex(), os.getrandom(3).hex(), taken_before(70).hex(), Ids.source(2).hex(), Ids().read(2).hex(),
            random.random(), draw(), choice(range(10**9)), random.Random().random(), Random().random(),
            random.SystemRandom().random(),
            secrets.token_hex(), token_hex(), secrets.randbelow(10**9), secrets.choice(range(10**9)),
            uuid.uuid4(), uuid.uuid1(),
        ]

    clock.install(lambda: 0.0)
"""


def test_the_same_seed_draws_the_same_in_every_process() -> None:
    code = f"{DRAWS}\n    entropy.install('a')\n    print(drawn())"
    first = printed_by(code, PYTHONHASHSEED="1")
    assert printed_by(code, PYTHONHASHSEED="2") == first
    assert printed_by(code.replace("'a'", "'b'"), PYTHONHASHSEED="1") != first


def test_each_draw_of_another_seed_is_another() -> None:
    code = f"""{DRAWS}
    entropy.install(1)
    one = drawn()
    entropy.reseed(2)
    two = drawn()
    entropy.reseed(1)
    assert one == drawn()
    print([place for place, (a, b) in enumerate(zip(one, two)) if a == b])
    """
    assert printed_by(code) == "[]\n"


@pytest.mark.parametrize("draw", ["random.Random(7).random()", "random.Random('x').random()"])
def test_who_brings_a_seed_of_his_own_keeps_it(draw: str) -> None:
    outside = printed_by(f"import random\nprint({draw})")
    assert printed_by(f"{DRAWS}\n    entropy.install(3)\n    print({draw})") == outside


def test_uninstalling_asks_the_system_again() -> None:
    code = f"""
    import os, random, uuid
    before = os.urandom, os.getrandom, random.Random.seed, uuid._generate_time_safe
    {DRAWS}
    entropy.install(1)
    entropy.uninstall()
    assert before == (os.urandom, os.getrandom, random.Random.seed, uuid._generate_time_safe)
    assert taken_before is os.urandom is Ids.source
    entropy.install(1)
    one = drawn()
    entropy.uninstall()
    print(any(a == b for a, b in zip(one, drawn())))
    """
    assert printed_by(code) == "False\n"


def test_a_negative_size_is_refused_as_the_system_does() -> None:
    code = f"""{DRAWS}
    entropy.install(1)
    try:
        os.urandom(-1)
    except ValueError as error:
        print(error)
    """
    assert printed_by(code) == "negative argument not allowed\n"
