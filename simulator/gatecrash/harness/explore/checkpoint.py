"""An exploration on disk, so that whoever was interrupted goes on where they were."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gatecrash import files
from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.search import Search

_FORMAT = 2


_EXPECTED = "expected a file that prove --world simulated has left, by --checkpoint or at Ctrl-C; or start anew without --resume"


class CheckpointError(Exception):
    """A checkpoint that cannot be used: why, and what to do."""


class Restored(NamedTuple):
    """`seconds` is the time that was spent on it before."""

    searches: dict[str, Search]
    seconds: float


class Checkpoint(NamedTuple):
    """`of` says what is explored, by name and value: a checkpoint of anything else is refused."""

    path: Path
    of: Mapping[str, Any]

    def save(self, searches: Mapping[str, Search], bound: Bound, seconds: float) -> None:
        """Replaces the file at once, or not at all. Raises OSError."""
        document = {
            "gatecrash": "checkpoint",
            "format": _FORMAT,
            "of": self._identity(bound),
            "seconds": round(seconds, 3),
            "stories": {name: search.memory() for name, search in searches.items()},
        }
        files.make_reports_folder(self.path.parent)
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def load(self, bound: Bound) -> Restored:
        """Raises CheckpointError."""
        try:
            document: Any = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be read: {error.strerror or error}; {_EXPECTED}") from error
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("gatecrash") != "checkpoint":
            raise CheckpointError(f"{self.path}: is no checkpoint; {_EXPECTED}")
        if document.get("format") != _FORMAT:
            raise CheckpointError(f"{self.path}: is a checkpoint of another version of Gatecrash; start anew without --resume")
        try:
            return self._restored(document, bound)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{self.path}: is a damaged checkpoint ({error!r}); start anew without --resume") from error

    def _restored(self, document: Mapping[str, Any], bound: Bound) -> Restored:
        wanted, found = self._identity(bound), document["of"]
        for name, value in wanted.items():
            if found[name] != value:
                raise CheckpointError(
                    f"{self.path}: was made with other {name}: found {_short(found[name])}, expected {_short(value)}; "
                    f"resume with what it was made with, or start anew without --resume"
                )
        searches = {name: Search.remembered(name, bound, memory) for name, memory in document["stories"].items()}
        return Restored(searches, document["seconds"])

    def _identity(self, bound: Bound) -> dict[str, Any]:
        # as JSON reads it again
        identity: dict[str, Any] = json.loads(json.dumps({**self.of, **bound.as_json()}))
        return identity


def _short(value: Any) -> str:
    text = "all" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"
