"""The shop with one real-world bug: each mutant is a file here with a subclass `Mutant` of `Decisions`.

The file's name is the mutant's; its docstring tells the bug.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..config import ConfigError
from ..decisions import Decisions


def names() -> list[str]:
    """All mutants, in the order of the alphabet."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> type[Decisions]:
    """The decisions of a mutant, or the right ones for an empty name. ConfigError if it is not known."""
    if not name:
        return Decisions
    if name not in names():
        raise ConfigError(f"MUTANT (--mutant): {name!r} is not one of {', '.join(names())}")
    mutant: type[Decisions] = importlib.import_module(f"{__name__}.{name}").Mutant
    return mutant
