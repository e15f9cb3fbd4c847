"""A digest of everything that decides how a run goes on, so that two that have come to the same point are played on once.

What it takes in: the rows of all databases, the messages under way, the timers and about how far off they are, where every task
stands with what its frames hold, and what story and oracles remember. What it leaves out: the names of things (ids, keys and
secrets are numbered in the order in which they come up), what libraries do with connections that nobody waits for, how long ago
something was, or how far off it is, to more than its order of magnitude, and what a host keeps in memory that no running function
holds as plain data.
"""

import asyncio
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from hashlib import blake2b
from types import CodeType, CoroutineType, FrameType
from typing import Any

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.story import Story
from gatecrash.harness.worlds.simulated.hosts import HARNESS

#: What names a thing: a prefix and a tail nobody chose, with a digit in it; a long run of hexadecimal digits; a signature.
_NAMES = re.compile(
    rb"[A-Za-z]+_(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{6,}|\b[0-9a-f]{16,}\b|(?<![A-Za-z0-9+/])(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{40,}={0,2}"
)
#: When something was, or is to be: milliseconds or seconds since 1970, or as text.
_TIMES = re.compile(rb"\b(?:(\d{10}(?:\.\d+)?)|(\d{13})|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?))\b")
#: Seconds between which there is no telling how long ago something was: beyond them there are timeouts, lives of keys, and so on.
_AGES_S = (2, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
#: Seconds until something falls due: at once, before a merchant's patience ends, after it, and so on.
_AHEAD_S = (0.002, 0.3, 1, 4, 10, 100)
#: Timers that nobody waits for: they end connections that were kept in case somebody asks again, and write the journal down.
_UPKEEP = ("_process_keepalive", "_weakref_handle", "commit_group")
_PLAIN = (str, int, float, bool, bytes, type(None))
_DEPTH = 3
#: The same all along.
_GIVEN = frozenset({Story, MerchantProfile})
_LIBRARIES = (os.path.dirname(os.__file__), "<frozen", os.path.dirname(__file__))

#: Parts of a state, and what time it is for them, in milliseconds since 1970.
Group = tuple[float, Iterable[bytes]]


def digest(groups: Iterable[Group], folder: str) -> str:
    """The parts as one: names numbered, times by how far they are, and the name of this process's folder taken out."""
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], b"#%d" % len(numbers))

    whole = blake2b(digest_size=12)
    for now_ms, parts in groups:
        text = _aged(b"\n".join(parts).replace(folder.encode(), b""), now_ms)
        whole.update(_NAMES.sub(number, text))
    return whole.hexdigest()


def _aged(text: bytes, now_ms: float) -> bytes:
    def age(found: re.Match[bytes]) -> bytes:
        seconds, milliseconds, written = found.groups()
        if seconds:
            ago_s = now_ms / 1000 - float(seconds)
        elif milliseconds:
            ago_s = (now_ms - int(milliseconds)) / 1000
        else:
            ago_s = now_ms / 1000 - datetime.fromisoformat(written.decode()).timestamp()
        magnitude = bisect_left(_AGES_S, abs(ago_s))
        return b"@%d" % (-magnitude if ago_s < 0 else magnitude)

    return _TIMES.sub(age, text)


def timers(pending: Iterable[tuple[float, str]]) -> list[bytes]:
    """What falls due, by host and name, and about when; `pending` in seconds from now. The harness's are told by its steps."""
    return sorted(
        {
            b"%d %s" % (bisect_left(_AHEAD_S, ahead_s), name.encode())
            for ahead_s, name in pending
            if not name.startswith(HARNESS) and not name.endswith(_UPKEEP)
        }
    )


def tasks(all_tasks: Iterable["asyncio.Task[Any]"]) -> list[bytes]:
    """Where each task stands, in no particular order: sorted by what it looks like. One of libraries alone says nothing."""
    seen: _Seen = {}
    shown = (b"|".join(_frames(task.get_coro(), seen)) for task in all_tasks if not task.done())
    return sorted(filter(None, shown))


def _frames(awaited: Any, seen: "_Seen") -> Iterator[bytes]:
    """Those that are not of a library, the innermost last."""
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        if getattr(awaited, "cr_running", False) or getattr(awaited, "gi_running", False):
            # what a running one awaits cannot be asked (CPython 3.11 crashes); it is on the stack, with whoever looks
            yield from (_told(each, seen) for each in _running(frame))
            return
        if not _left_out(frame.f_code):
            yield _told(frame, seen)
        awaited = awaited.cr_await if isinstance(awaited, CoroutineType) else getattr(awaited, "gi_yieldfrom", None)


def _running(outermost: FrameType) -> list[FrameType]:
    """The frames that run now, from this one on."""
    frames: list[FrameType] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        frames.append(frame)
        frame = None if frame is outermost else frame.f_back
    return [each for each in reversed(frames) if not _left_out(each.f_code)]


def _told(frame: FrameType, seen: "_Seen") -> bytes:
    held = (f"{name}={_magnitude(it) if isinstance(it, float) else _shown(it, seen)}" for name, it in frame.f_locals.items())
    return f"{frame.f_code.co_filename}:{frame.f_code.co_name}:{frame.f_lasti}({','.join(held)})".encode()


@cache
def _left_out(code: CodeType) -> bool:
    """Whether nobody but the one who called it says what it is about, since it is a library's, or the world's own; how long it
    waits is told by the timers.
    """
    return code.co_filename.startswith(_LIBRARIES) or "site-packages" in code.co_filename


def _magnitude(value: float) -> int:
    """Of a moment of the loop's, of a duration, or of whatever else a function keeps as a float."""
    ago_s = asyncio.get_running_loop().time() - value
    return bisect_left(_AHEAD_S, min(abs(value), abs(ago_s)))


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
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(_shown(each, seen, depth - 1) for each in value))}}}"
    if isinstance(value, dict):
        return "{" + ",".join([f"{_shown(key, seen, 1)}:{_shown(each, seen, depth - 1)}" for key, each in value.items()]) + "}"
    fields = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "__struct_fields__", None)
    if fields and kind not in _GIVEN:
        return f"{kind.__name__}({','.join([_shown(getattr(value, name, None), seen, depth - 1) for name in fields])})"
    return kind.__name__
