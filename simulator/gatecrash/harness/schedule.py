"""A failure as a file that replays: the story with its faults, and the merchant it was found with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gatecrash.harness.documents import read
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story, StoryError, parse_document


class Schedule(NamedTuple):
    """`merchant`: the profile's file, None when it had none."""

    story: Story
    merchant: Path | None
    violations: tuple[str, ...]


def save(outcome: Outcome, merchant: MerchantProfile, folder: Path) -> Path:
    """Write a failure into the folder, under the merchant's and the story's names; returns the file. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "gatecrash": "schedule",
        "merchant": str(merchant.path.resolve()) if merchant.path else None,
        "violations": list(dict.fromkeys(each.oracle for each in outcome.violations)),
        "story": outcome.story.document,
    }
    path = folder / f"{merchant.name}-{outcome.story.name}.yaml"
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# Found by gatecrash prove. Play it again with: gatecrash replay {path.name}\n{text}", encoding="utf-8")
    return path


def load(path: Path) -> Schedule:
    """Raises StoryError, which says what is wrong with the file."""
    try:
        document: Any = yaml.safe_load(read(path, StoryError))
    except yaml.YAMLError as error:
        raise StoryError(f"{path}: cannot be read as a schedule: {error}") from error
    if not isinstance(document, Mapping) or document.get("gatecrash") != "schedule" or "story" not in document:
        raise StoryError(
            f"{path}: is no schedule; expected a file that gatecrash prove has saved. A story of your own is played with "
            f"gatecrash prove --stories {path} --only-mine"
        )
    merchant = document.get("merchant")
    return Schedule(
        parse_document(document["story"], path),
        Path(merchant) if isinstance(merchant, str) else None,
        tuple(map(str, document.get("violations") or ())),
    )
