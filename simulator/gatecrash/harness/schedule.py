"""A failure as a file that replays: the story with its faults, and the merchant it was found with."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from gatecrash import files, yaml_text
from gatecrash.harness.documents import read
from gatecrash.harness.explore.fault import Fault
from gatecrash.harness.explore.fault import Schedule as Faults
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story, StoryError, parse_document
from gatecrash.harness.worlds.simulated.alphabet import LETTERS
from gatecrash.spelling import no_such

if TYPE_CHECKING:
    from gatecrash.harness.explore.verdict import Counterexample


class Schedule(NamedTuple):
    """`merchant`: the profile's file, None when it had none. `faults` and `seed` are of the simulated world it was found in,
    None and 0 when it was found in the real one.
    """

    story: Story
    merchant: Path | None
    violations: tuple[str, ...]
    faults: Faults | None = None
    seed: int = 0


def save(outcome: Outcome, merchant: MerchantProfile, folder: Path) -> Path:
    """Write a failure into the folder, under the merchant's and the story's names; returns the file. Raises OSError."""
    violations = list(dict.fromkeys(each.oracle for each in outcome.violations))
    return _write(_path(outcome, merchant, folder), merchant, violations, outcome.story)


def save_simulated(story: Story, found: "Counterexample", merchant: MerchantProfile, folder: Path, seed: int) -> Path:
    """Likewise for what was found in a simulated world: its faults strike there, beside those of the story."""
    path = folder / f"{merchant.name}-{story.name}-{found.oracle}.yaml"
    beside = {"world": "simulated", "seed": seed, "schedule": list(map(str, found.schedule))}
    return _write(path, merchant, [found.oracle], story, **beside)


def _write(path: Path, merchant: MerchantProfile, violations: list[str], story: Story, **beside: Any) -> Path:
    files.make_reports_folder(path.parent)
    document = {
        "gatecrash": "schedule",
        "merchant": str(merchant.path.resolve()) if merchant.path else None,
        "violations": violations,
        **beside,
        "story": story.document,
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"{_HEAD} Play it again with: gatecrash replay {path.name}\n{text}", encoding="utf-8")
    return path


def forget(outcome: Outcome, merchant: MerchantProfile, folder: Path) -> None:
    """Take away what an earlier run has saved of a story that holds now. Raises OSError."""
    path = _path(outcome, merchant, folder)
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(_HEAD):
        path.unlink()


_HEAD = "# Found by gatecrash prove."


def _path(outcome: Outcome, merchant: MerchantProfile, folder: Path) -> Path:
    return folder / f"{merchant.name}-{outcome.story.name}.yaml"


def load(path: Path) -> Schedule:
    """Raises StoryError, which says what is wrong with the file."""
    try:
        document: Any = yaml_text.read(read(path, StoryError, "; expected a schedule that gatecrash prove has saved"))
    except yaml.YAMLError as error:
        raise StoryError(f"{path}: cannot be read as a schedule: {error}") from error
    if not isinstance(document, Mapping) or document.get("gatecrash") != "schedule" or "story" not in document:
        raise StoryError(
            f"{path}: is no schedule; expected a file that gatecrash prove has saved. A story of your own is played with "
            f"gatecrash prove --stories {path} --only-mine"
        )
    merchant, seed = document.get("merchant"), document.get("seed", 0)
    if not isinstance(seed, int):
        raise StoryError(f"{path}: /seed: {seed!r} is no seed; expected a whole number")
    return Schedule(
        parse_document(document["story"], path),
        Path(merchant) if isinstance(merchant, str) else None,
        tuple(map(str, document.get("violations") or ())),
        _faults(document, path),
        seed,
    )


def _faults(document: Mapping[str, Any], path: Path) -> Faults | None:
    world, lines = document.get("world", "real"), document.get("schedule")
    if world == "real":
        return None
    if world != "simulated":
        raise StoryError(f"{path}: /world: {world!r} is no world; expected real or simulated")
    if not isinstance(lines, list):
        raise StoryError(
            f"{path}: /schedule: found {lines!r}; expected a list of faults, such as 'charges.create #2: lost answer'"
        )
    faults = []
    for number, line in enumerate(lines):
        try:
            fault = Fault.parse(str(line))
        except ValueError as error:
            raise StoryError(f"{path}: /schedule/{number}: {error}") from error
        if fault.kind not in LETTERS:
            raise StoryError(f"{path}: /schedule/{number}: {no_such('kind of fault', [fault.kind], LETTERS)}")
        faults.append(fault)
    return tuple(faults)
