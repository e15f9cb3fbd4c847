"""A digest of everything that decides how a run goes on, so that two that have come to the same point are played on once.

What it takes in: the rows of all databases, the messages under way, the timers and how far off they are, and where every task
stands with what its frames hold. What it leaves out: the names of things (ids, keys and secrets are numbered in the order in
which they come up) and how long ago something was.
"""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import blake2b
from types import CodeType, CoroutineType, FrameType
from typing import Any

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.story import Story

#: What names a thing: a prefix and a tail nobody chose; or a long run of hexadecimal digits.
_NAMES = re.compile(rb"[A-Za-z]+_[A-Za-z0-9_-]{6,}|[0-9a-f]{16,}")
#: When something was, or is to be: milliseconds or seconds since 1970, or as text.
_TIMES = re.compile(rb"\b\d{10}(?:\d{3})?(?:\.\d+)?\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?")
_PLAIN = (str, int, float, bool, bytes, type(None))
_DEPTH = 3
#: The same all along.
_GIVEN = frozenset({Story, MerchantProfile})
_LIBRARIES = (os.path.dirname(os.__file__), "<frozen")


def digest(parts: Iterable[bytes], folder: str) -> str:
    """The parts as one, with names numbered, and times and the name of this process's folder taken out."""
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], b"#%d" % len(numbers))

    whole = _NAMES.sub(number, _TIMES.sub(b"@", b"\n".join(parts).replace(folder.encode(), b"")))
    return blake2b(whole, digest_size=12).hexdigest()


def tasks(all_tasks: Iterable["asyncio.Task[Any]"]) -> list[bytes]:
    """Where each task stands, in no particular order: sorted by what it looks like."""
    seen: _Seen = {}
    return sorted(b"|".join(_frames(task.get_coro(), seen)) for task in all_tasks if not task.done())


def _frames(awaited: Any, seen: "_Seen") -> Iterator[bytes]:
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            yield type(awaited).__name__.encode()
            return
        code = frame.f_code
        plain = "" if _of_a_library(code) else ",".join(f"{name}={_shown(it, seen)}" for name, it in frame.f_locals.items())
        yield f"{code.co_filename}:{code.co_name}:{frame.f_lasti}({plain})".encode()
        awaited = awaited.cr_await if isinstance(awaited, CoroutineType) else getattr(awaited, "gi_yieldfrom", None)


@cache
def _of_a_library(code: CodeType) -> bool:
    """Whether nobody but the one who called it says what it is about; how long it waits is told by the timers."""
    return code.co_filename.startswith(_LIBRARIES) or "site-packages" in code.co_filename


#: What things look like, by which and how deep: frames hand the same ones on to each other.
_Seen = dict[tuple[int, int], str]


def _shown(value: object, seen: _Seen, depth: int = _DEPTH) -> str:
    """A value by what it is; a thing that is no plain value by its kind and, if it has any, its plain fields."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type):
        return value.__name__
    if depth == 0:
        return type(value).__name__
    key = (id(value), depth)
    shown = seen.get(key)
    if shown is None:
        shown = seen[key] = _inside(value, seen, depth)
    return shown


def _inside(value: object, seen: _Seen, depth: int) -> str:
    kind = type(value)
    if isinstance(value, tuple | list):
        return f"[{','.join([_shown(each, seen, depth - 1) for each in value])}]"
    if isinstance(value, dict):
        return "{" + ",".join([f"{_shown(key, seen, 1)}:{_shown(each, seen, depth - 1)}" for key, each in value.items()]) + "}"
    fields = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "__struct_fields__", None)
    if fields and kind not in _GIVEN:
        return f"{kind.__name__}({','.join([_shown(getattr(value, name, None), seen, depth - 1) for name in fields])})"
    return kind.__name__
