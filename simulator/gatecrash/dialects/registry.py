"""Finding dialects: every entry point of group `gatecrash.dialects`, ours and anybody's."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from gatecrash.dialects.interface import Dialect

GROUP = "gatecrash.dialects"


def load() -> dict[str, Dialect]:
    """Name → dialect, native first."""
    return dict(_installed())


@cache
def _installed() -> Mapping[str, Dialect]:
    """Looked for once: that reads the metadata of everything that is installed."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name != "native", point.name))
    return {point.name: point.load() for point in points}
