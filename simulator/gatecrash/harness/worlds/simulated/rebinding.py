"""Names that other modules have already taken from where they live: `from time import monotonic`."""

import functools
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

# what keeps the worker process itself alive, and must not hear of the simulated world
SPARED = (
    "_thread", "concurrent", "faulthandler", "multiprocessing", "queue", "selectors", "signal", "subprocess", "tempfile",
    "threading", __package__,
)  # fmt: skip


def rebind(replacements: Mapping[int, tuple[Any, Any]]) -> None:
    """Put the new in the place of the old wherever a module has it: its globals, the attributes of its classes, the defaults
    of its functions. `replacements` is id of the old → (old, new), so that nothing unhashable is in the way. Imports nothing.
    """
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not is_spared(name):
            _rebind_in(name, module, replacements)


def is_spared(name: str) -> bool:
    """Whether a module is of the machinery beneath the world, by its name."""
    return name.startswith(SPARED) and any(name == spared or name.startswith(f"{spared}.") for spared in SPARED)


def _rebind_in(name: str, module: ModuleType, replacements: Mapping[int, tuple[Any, Any]]) -> None:
    namespace = vars(module)
    for key, value in list(namespace.items()):
        if id(value) in replacements:
            namespace[key] = replacements[id(value)][1]
        elif isinstance(value, type) and value.__module__ == name:
            for attribute, held in list(vars(value).items()):
                if id(held) in replacements:
                    setattr(value, attribute, replacements[id(held)][1])
                else:
                    _rebind_defaults(held, replacements)
        else:
            _rebind_defaults(value, replacements)


def _rebind_defaults(value: Any, replacements: Mapping[int, tuple[Any, Any]]) -> None:
    for function in _functions_in(value):
        if function.__defaults__ and any(id(default) in replacements for default in function.__defaults__):
            function.__defaults__ = tuple(
                replacements[id(default)][1] if id(default) in replacements else default for default in function.__defaults__
            )
        by_name = function.__kwdefaults__ or {}
        by_name.update({key: replacements[id(default)][1] for key, default in by_name.items() if id(default) in replacements})


def _functions_in(value: Any) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, (classmethod, staticmethod)):
        yield from _functions_in(value.__func__)
    elif isinstance(value, property):
        yield from (part for part in (value.fget, value.fset) if isinstance(part, FunctionType))
    elif isinstance(value, (functools.partial, functools.partialmethod)):
        yield from _functions_in(value.func)


_ABSENT = object()


class Replacements:
    """Attributes of modules and classes that were replaced, everywhere, until they are put back."""

    def __init__(self) -> None:
        self._originals: list[tuple[Any, str, Any]] = []
        self._there: dict[int, tuple[Any, Any]] = {}

    @property
    def active(self) -> bool:
        """Whether anything is replaced now."""
        return bool(self._originals)

    def replace(self, owner: Any, name: str, new: Any, *, spread: bool = True) -> None:
        """Replace an attribute where it lives; `spread()` takes it to those who have a copy, unless it is a value like any."""
        old = vars(owner).get(name, _ABSENT)
        self._originals.append((owner, name, old))
        if spread:
            self._there[id(old)] = (old, new)
        setattr(owner, name, new)

    def spread(self) -> None:
        """Rebind the names that were taken from there before."""
        rebind(self._there)

    def undo(self) -> None:
        """Put everything back."""
        for owner, name, old in reversed(self._originals):
            if old is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        rebind({id(new): (new, old) for old, new in self._there.values()})
        self._originals.clear()
        self._there.clear()
