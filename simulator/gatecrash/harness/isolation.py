"""Where a shop keeps its data, when that is not the folder of one run: which settings to look at."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import fill, placeholders

#: Names of settings that most likely say where data is kept.
_KEEPS = re.compile(
    r"DATABASE|(^|_)DB(_|$)|SQL|POSTGRES|PG_?(HOST|DATA)|MONGO|REDIS|STORE|STORAGE|DATA|_DIR|_FILE|_PATH", re.IGNORECASE
)
#: Folders in which no shop keeps its data.
_NOT_DATA = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "gatecrash-failures"})
_LOOKED_AT_MAX, _NAMED_MAX = 20_000, 3


def suspects(profile: MerchantProfile, values: Mapping[str, Any], since: float) -> list[str]:
    """What most likely keeps the data outside of the folder {scratch}, the likeliest first, a sentence each. `since` is when the
    merchant was first started, in seconds since 1970.
    """
    start = profile.start
    if start is None:
        return []
    ours = {name: value for name, value in start.env.items() if "scratch" in placeholders(value)}
    unused = [name for name, value in ours.items() if not _written(fill(value, values), values)]
    elsewhere = [name for name in start.env if _KEEPS.search(name) and name not in ours]
    inherited = [name for name in os.environ if re.search(r"DATABASE|_DB_|SQL|PGHOST", name) and name not in start.env]
    written = [str(path.relative_to(start.cwd)) for path in _changed(start.cwd, since)]
    found = [
        (written, "it wrote {0} in its own folder: the setting that names this file must point into {{scratch}}"),
        (unused, "{1} names a file that was never written: the shop may read that setting under another name"),
        (elsewhere, "{1} is the same in every run: have it depend on {{scratch}} or {{port}}"),
        (inherited, "the shop inherits {0} from your environment: set it anew in [start.env]"),
    ]
    return [
        sentence.format(", ".join(names[:_NAMED_MAX]), profile.at("start", "env", names[0])) for names, sentence in found if names
    ]


def _written(text: str, values: Mapping[str, Any]) -> bool:
    """True when the file or folder is there that this setting, or the URL in it, names."""
    at = str(text).find(str(values["scratch"]))
    return at >= 0 and Path(str(text)[at:].split("?")[0]).exists()


def _changed(folder: Path, since: float) -> list[Path]:
    """Files written since then, databases first."""
    found = []
    for path in _files(folder):
        try:
            if path.stat().st_mtime >= since:
                found.append(path)
        except OSError:
            continue
    return sorted(found, key=lambda path: (not re.search(r"\.(sqlite3?|db|json|jsonl|rdb)$", path.name), path.name))


def _files(folder: Path) -> Iterator[Path]:
    looked_at = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_DATA]
        for name in names:
            looked_at += 1
            if looked_at > _LOOKED_AT_MAX:
                return
            yield Path(root, name)
