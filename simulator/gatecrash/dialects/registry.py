"""Finding dialects: every entry point of group `gatecrash.dialects`, ours and anybody's."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from gatecrash.dialects.interface import Dialect

GROUP = "gatecrash.dialects"


@cache
def load() -> Mapping[str, Dialect]:
    """Name → dialect, native first. Looked for once: that reads the metadata of everything that is installed."""
    found: dict[str, Dialect] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name != "native", point.name)):
        found[point.name] = point.load()
    return found
