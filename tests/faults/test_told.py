"""The page on faults says what the code does."""

from gatecrash.faults.kinds import KINDS
from gatecrash.faults.stations import STATIONS
from tests.faults.told import PAGE, told


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert told(page) == page, "write them anew: python -m tests.faults.told"
    assert all(f"`{name}`" in page for name in (*KINDS, *STATIONS))
