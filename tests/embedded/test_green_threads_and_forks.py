"""A gateway of one's own where threads are not what they seem: under gevent and eventlet, and on either side of a fork."""

import subprocess
import sys

import pytest

_USE = """
from gatecrash import Gateway
with Gateway() as gateway:
    print(gateway, gateway.sandbox().charge()["status"])
"""
_GEVENT = "from gevent import monkey; monkey.patch_all()\n"
_EVENTLET = "import eventlet; eventlet.monkey_patch()\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    "patch",
    [_GEVENT, _EVENTLET, "from gevent import monkey; monkey.patch_socket()\n", _USE + _GEVENT],
    ids=["gevent", "eventlet", "sockets of gevent alone", "gevent after a first gateway"],
)
def test_a_gateway_is_a_process_where_threads_or_sockets_are_patched(patch: str) -> None:
    done = run(patch + _USE)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("<Gateway process at http")
    assert last.endswith("succeeded")


@pytest.mark.parametrize("imported", ["import gevent, gevent.monkey\n", "import eventlet\n"], ids=["gevent", "eventlet"])
def test_a_library_that_is_imported_and_patches_nothing_changes_nothing(imported: str) -> None:
    done = run(imported + _USE)
    assert done.stdout.startswith("<Gateway thread at http"), done.stderr


_FORKED = """
import os
from gatecrash import Gateway
with Gateway(process={process}) as gateway:
    shop = gateway.sandbox()
    shop.charge()
    child = os.fork()
    if child == 0:
        shop.charge()
        with Gateway() as own:
            own.sandbox().charge()
        gateway.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shop.charge()
    print(len(shop.charges()))
"""


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_a_fork_uses_the_gateway_of_its_parent_and_one_of_its_own_and_closes_only_that(process: bool) -> None:
    done = run(_FORKED.format(process=process))
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


_POOL = """
import multiprocessing
from gatecrash import Gateway

def charged(number):
    with Gateway() as gateway:
        return gateway.sandbox().charge()["status"]

if __name__ == "__main__":
    with Gateway(), multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(charged, range(2)))
"""


def test_the_workers_of_a_pool_start_gateways_of_their_own() -> None:
    done = run(_POOL)
    assert done.stdout == "['succeeded', 'succeeded']\n", done.stderr
