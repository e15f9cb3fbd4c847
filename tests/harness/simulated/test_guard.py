"""What cannot be simulated is found where it is done, and reported even by a merchant that swallows it."""

import pytest

from tests.support.fresh import printed_by

DOES = """
    import multiprocessing, os, socket, sqlite3, subprocess, sys, tempfile, threading
    from concurrent.futures import ThreadPoolExecutor
    from gatecrash.harness.worlds.simulated import databases, guard
    from gatecrash.harness.worlds.simulated.hosts import HOST, Incarnation
    from gatecrash.harness.worlds.simulated.loop import VirtualLoop

    loop = VirtualLoop()
    folder = tempfile.mkdtemp()
    databases.install(lambda *_: None)
    guard.install()
    guard.install()

    def does(name, text):
        space = dict(globals())
        exec(compile("def pay():\\n    " + text, "/shop/pay.py", "exec"), space)
        def swallowing():
            try:
                space["pay"]()
            except Exception as error:
                return error
        return Incarnation(loop, name).run(swallowing)
"""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("threading.Thread(target=print).start()", "starting a thread"),
        ("ThreadPoolExecutor().submit(print)", "starting a thread"),
        ("socket.create_connection(('127.0.0.1', 1))", "connecting a socket of the operating system"),
        ("socket.socket().bind(('127.0.0.1', 0))", "binding a socket of the operating system"),
        ("subprocess.run(['true'])", "starting a process"),
        ("os.system('true')", "starting a process"),
        ("os.fork()", "forking"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "starting a process"),
        ("sqlite3.Connection(folder + '/x.db')", "opening a database past sqlite3.connect"),
    ],
)
def test_it_is_found_with_its_place_and_what_to_do(text: str, what: str) -> None:
    printed = printed_by(f"{DOES}\n    assert does('merchant', {text!r}) is guard.found[0]\n    print(*guard.found, sep='\\n')")
    assert printed.count("\n") == 1
    assert printed.startswith(f"{what}, at /shop/pay.py:2 in pay, cannot be simulated: ")


@pytest.mark.parametrize(
    "text",
    ["sqlite3.connect(folder + '/x.db').close()", "sqlite3.Connection(':memory:').close()", "open('/dev/null').close()"],
)
def test_what_can_be_simulated_is_left_alone(text: str) -> None:
    assert printed_by(f"{DOES}\n    print(does('merchant', {text!r}), guard.found)") == "None []\n"


def test_only_the_merchant_is_minded() -> None:
    text = "thread = threading.Thread(target=int); thread.start(); thread.join()"
    assert printed_by(f"{DOES}\n    {text}\n    print(does('gateway', {text!r}), guard.found)") == "None []\n"


def test_a_new_world_has_found_nothing() -> None:
    assert printed_by(f"{DOES}\n    does('merchant', 'os.fork()')\n    guard.forget()\n    print(guard.found)") == "[]\n"
