"""A name that nobody knows: what is near it, or all that there are."""

from collections.abc import Collection, Sequence

#: So many are named at most.
_NEAREST = 3


def nearest(asked: Sequence[str], known: Collection[str]) -> str:
    """`did you mean lost-response?`; nothing where none is near."""
    near = [name for each in asked for name in _near(each, known)]
    return f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""


def the_nearest(asked: str, known: Collection[str]) -> str:
    """`; the nearest is lost-response`, for the end of a sentence; nothing where none is near."""
    near = _near(asked[:60], known)
    return f"; the nearest is {' or '.join(near)}" if near else ""


def no_such(what: str, asked: Sequence[str], known: Collection[str]) -> str:
    """`no story called 'lots-response'; did you mean lost-response?`"""
    told = nearest(asked, known) or f"there are: {', '.join(known)}"
    return f"no {what} called {', '.join(map(repr, asked))}; {told}"


def _near(asked: str, known: Collection[str]) -> list[str]:
    if not asked:
        return []
    from difflib import get_close_matches  # only where something is misspelt

    lowered = {name.lower(): name for name in known}
    near = get_close_matches(asked.lower(), lowered, _NEAREST) or [name for name in lowered if asked.lower() in name][:_NEAREST]
    return [lowered[name] for name in near]
