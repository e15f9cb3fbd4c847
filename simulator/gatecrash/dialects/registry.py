"""Finding dialects: every entry point of group `gatecrash.dialects`, ours and anybody's."""

from importlib.metadata import entry_points

from gatecrash.dialects.interface import Dialect

GROUP = "gatecrash.dialects"


def load() -> dict[str, Dialect]:
    """Name → dialect, native first."""
    found: dict[str, Dialect] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name != "native", point.name)):
        found[point.name] = point.load()
    return found
