"""Virtual time: whoever reads a clock in the process reads it."""

from tests.support.fresh import printed_by

INSTALLED = """
    import time, datetime
    from time import monotonic as taken_before
    from datetime import datetime as moment
    import aiohttp, asyncio, logging, aiohttp.helpers, aiohttp.connector
    from gatecrash.harness.worlds.simulated import clock, guard

    class Shop:
        now = time.time
        def __init__(self, clock=time.time): self.clock = clock
        def wait(self, *, since=time.perf_counter): return since()

    virtual = 0.0
    clock.install(lambda: virtual)
"""


READINGS = [
    ("time.time()", "1767225602.5"),
    ("time.time_ns()", "1767225602500000000"),
    ("time.monotonic()", "2.5"),
    ("time.monotonic_ns()", "2500000000"),
    ("time.perf_counter()", "2.5"),
    ("time.perf_counter_ns()", "2500000000"),
    ("time.clock_gettime(time.CLOCK_REALTIME)", "1767225602.5"),
    ("time.clock_gettime(time.CLOCK_MONOTONIC)", "2.5"),
    ("time.strftime('%Y-%m-%d', time.gmtime())", "2026-01-01"),
    ("time.strftime('%Y')", "2026"),
    ("time.ctime()[-4:], time.asctime()[-4:], time.localtime().tm_year", "2026 2026 2026"),
    ("time.gmtime(0).tm_year", "1970"),
    ("datetime.datetime.now(datetime.UTC)", "2026-01-01 00:00:02.500000+00:00"),
    ("moment.now(datetime.UTC)", "2026-01-01 00:00:02.500000+00:00"),
    ("moment.utcnow()", "2026-01-01 00:00:02.500000"),
    ("moment.today().year, datetime.date.today().year", "2026 2026"),
    ("taken_before()", "2.5"),
    ("Shop.now()", "1767225602.5"),
    ("Shop().clock()", "1767225602.5"),
    ("Shop().wait()", "2.5"),
    ("aiohttp.connector.monotonic()", "2.5"),
    ("aiohttp.helpers.rfc822_formatted_time()", "Thu, 01 Jan 2026 00:00:02 GMT"),
    ("logging.makeLogRecord({}).created", "1767225602.5"),
]


def test_every_clock_reads_virtual_time() -> None:
    reads = "".join(f"\n    print({expression})" for expression, _ in READINGS)
    printed = printed_by(f"{INSTALLED}\n    virtual = 2.5{reads}", TZ="UTC").splitlines()
    assert list(zip([expression for expression, _ in READINGS], printed, strict=True)) == READINGS


def test_moments_are_of_the_very_types_they_were() -> None:
    code = f"""{INSTALLED}
    import copy, pickle, sqlite3, warnings, msgspec
    warnings.simplefilter("ignore")
    now = moment.now()
    assert type(now) is datetime.datetime and isinstance(now, datetime.date)
    assert pickle.loads(pickle.dumps(now)) == copy.deepcopy(now) == now
    assert sqlite3.connect(":memory:").execute("SELECT ?", (now,)).fetchone()[0].startswith("2026-01-01")
    assert msgspec.convert(msgspec.to_builtins({{"at": now}}), dict[str, moment]) == {{"at": now}}
    class Mine(moment): pass
    assert type(Mine.now()) is Mine and Mine.now() - now == datetime.timedelta(0)
    print("the same")
    """
    assert printed_by(code) == "the same\n"


def test_uninstalling_leaves_nothing_behind() -> None:
    code = f"""
    import time, datetime
    before = dict(vars(time)), dict(vars(datetime.datetime)), dict(vars(datetime.date))
    {INSTALLED}
    clock.uninstall()
    assert before == (dict(vars(time)), dict(vars(datetime.datetime)), dict(vars(datetime.date)))
    assert taken_before is time.monotonic is aiohttp.connector.monotonic
    assert Shop.now is time.time is Shop().clock
    assert abs(moment.now().timestamp() - time.time()) < 60 and taken_before() != 0.0
    clock.install(lambda: 1.0)
    print(taken_before())
    """
    assert printed_by(code) == "1.0\n"


def test_what_runs_the_worker_keeps_real_time_and_so_does_a_stopwatch() -> None:
    code = f"""
    import multiprocessing.connection, threading, time
    real = [time.monotonic]  # where nobody looks
    {INSTALLED}
    assert multiprocessing.connection.time.monotonic is real[0]
    assert threading._time is real[0]
    assert clock.stopwatch() > 0 and clock.stopwatch is not time.perf_counter
    clock.uninstall()
    assert multiprocessing.connection.time is time
    print("real")
    """
    assert printed_by(code) == "real\n"


def test_a_blocking_sleep_is_reported_with_its_place_even_if_swallowed() -> None:
    code = f"""{INSTALLED}
    source = "import time\\n\\ndef pay():\\n    time.sleep(2)\\n"
    space = {{}}
    exec(compile(source, "/shop/pay.py", "exec"), space)
    try:
        space["pay"]()
    except Exception:
        pass
    time.sleep(0)
    (error,) = guard.found
    print(error)
    """
    assert printed_by(code) == (
        "time.sleep(2) blocks the event loop, at /shop/pay.py:4 in pay, cannot be simulated: await asyncio.sleep instead\n"
    )


def test_it_is_not_installed_twice() -> None:
    code = f"""{INSTALLED}
    try:
        clock.install(lambda: 1.0)
    except RuntimeError as error:
        print(error)
    """
    assert "installed already" in printed_by(code)
