"""Variables of the environment that are meant for Gatecrash, and those of them that nothing reads."""

from collections.abc import Iterable
from difflib import get_close_matches

PREFIX = "GATECRASH_"
#: Every variable that a verb reads: a test holds this to the options themselves. The last ones are for a merchant's own code.
READ = frozenset(
    PREFIX + name
    for name in (
        "PORT", "HOST", "DATA", "MEMORY", "SEED", "URL_FILE", "ALLOW_HOST", "SERVER_NAME", "STRICT", "WITH_STDIN",
        "CONTROL_TOKEN", "WEBHOOK_CA", "URL", "SANDBOX", "SECRET_KEY", "PUBLISHABLE_KEY", "HYPOTHESIS",
    )
)  # fmt: skip


def unread(names: Iterable[str]) -> str | None:
    """One line on the variables that look like ours and do nothing; None if there are none. Their values are not shown."""
    unknown = sorted(name[:60] for name in names if name.startswith(PREFIX) and name not in READ)
    if not unknown:
        return None
    return f"gatecrash: nothing reads {', '.join(map(_with_nearest, unknown[:5]))} of the environment."


def _with_nearest(name: str) -> str:
    """`'GATECRASH_PROT' (did you mean GATECRASH_PORT?)`"""
    near = get_close_matches(name.removeprefix(PREFIX), sorted(one.removeprefix(PREFIX) for one in READ), 1)
    return f"{name!r} (did you mean {PREFIX}{near[0]}?)" if near else repr(name)
