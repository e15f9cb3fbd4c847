"""A story: what customers do, what breaks, what must hold. Read from YAML, checked against
contracts/story.schema.json.

Errors name the file, the line and the place in it, what was found and what was expected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from gatecrash import resources
from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.documents import Origin, Place, hold_to, lines_of, read, schema
from gatecrash.spelling import nearest, no_such
from gatecrash.yaml_text import read_with_places

Rule = dict[str, Any]
_STEP = "a step: a verb, or one verb with its argument (contracts/story.schema.json lists them)"


_STORIES = "; --stories names a file or folder of stories"


class StoryError(ValueError):
    """A story that cannot be read, told in one line: where, what was found, what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the verb, its argument (None when it has none) and the line it stands on."""

    verb: str
    argument: Any = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story as played: rules of `faults` end with the calm, those of `standing_faults` never."""

    name: str
    title: str
    group: str
    about: str
    channels: str
    amount: int
    currency: str
    capture: str = "now"
    steps: tuple[Step, ...]
    faults: tuple[Rule, ...] = ()
    standing_faults: tuple[Rule, ...] = ()
    customer_gone: bool = False
    calm_card: str = "visa"
    expect: Mapping[str, Any] | None = None
    teaches: frozenset[str] = frozenset()
    catches: tuple[str, ...] = ()  #: mutants of the reference merchant that it is first played to
    shop: Mapping[str, Any] = field(default_factory=dict)  #: what the shop is to be started with
    path: Path | None = None
    document: Mapping[str, Any] | None = None  #: as it was read


def load(path: Path) -> Story:
    """The story in a YAML file. Raises StoryError."""
    return parse(read(path, StoryError), path)


def parse(text: str, path: Path) -> Story:
    """The story in a YAML text; `path` is for the errors, and its stem must be the story's name."""
    try:
        raw, node = read_with_places(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise StoryError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from error
    lines = lines_of(node)
    story = parse_document(raw, path, lines)
    if story.name != path.stem:
        raise StoryError(
            f"{path}:{lines.get(('name',), 1)}: the story is called {raw['name']!r}; rename the file "
            f"to {raw['name']}.yaml or the story to {path.stem!r}"
        )
    return story


def parse_document(raw: Any, path: Path, lines: Mapping[Place, int] = MappingProxyType({})) -> Story:
    """The story in a document that was read; `path` and `lines` are for the errors. Raises StoryError."""
    origin = Origin(path, lines)
    _steps_are_verbs(raw, origin)
    hold_to("story", raw, origin, StoryError, hint=_STEP)
    _orders_are_placed(raw["steps"], origin)
    return _build(raw, path, lines)


def _steps_are_verbs(raw: Any, origin: Origin) -> None:
    """Raises StoryError for a step that is no verb, or lacks the argument of its verb: the schema could only list them all."""
    steps = raw.get("steps") if isinstance(raw, dict) else None
    words, with_argument = schema("story")["$defs"]["step"]["oneOf"]
    alone, verbs = words["enum"], with_argument["properties"]
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        at = origin.at("steps", index)
        if isinstance(step, dict) and len(step) > 1:
            raise StoryError(f"{at}: found {' and '.join(map(repr, step))} in one step, expected one verb in each")
        if not isinstance(step, str) or step in alone:
            continue
        if step in verbs:
            raise StoryError(f"{at}: found {step!r} alone, expected its argument: {verbs[step].get('description', step)}")
        known = sorted({*alone, *verbs})
        raise StoryError(f"{at}: found {step!r}; {nearest([step], known) or 'the steps are: ' + ', '.join(known)}")


def _orders_are_placed(steps: Sequence[Any], origin: Origin) -> None:
    """Raises StoryError for a step that turns to an order which none before it has placed."""
    placed = 0
    for index, step in enumerate(steps):
        number = step.get("turn_to_order", 0) if isinstance(step, dict) else 0
        placed += "place_order" in step  # alone, or with an argument
        if number > placed:
            there = (
                f"one that is placed before: {', '.join(map(str, range(1, placed + 1)))}" if placed else "a place_order before"
            )
            raise StoryError(f"{origin.at('steps', index, 'turn_to_order')}: found order {number}, expected {there}")


def load_all(folder: Path | None = None) -> list[Story]:
    """All stories of a folder (ours, by default), in the order of the schema's groups, then by name. Raises
    StoryError.
    """
    folder = folder or resources.scenarios()
    stories = [load(path) for path in sorted(folder.glob("*.yaml"))]
    if not stories:
        raise StoryError(f"{folder}: no stories here; expected files called NAME.yaml")
    groups: list[str] = schema("story")["properties"]["group"]["enum"]
    return sorted(stories, key=lambda story: (groups.index(story.group), story.name))


def gather(paths: Iterable[Path], *, ours: bool = True) -> list[Story]:
    """Our stories, if wanted, and those of the files and folders. Raises StoryError, also for a name that comes twice."""
    stories = load_all() if ours else []
    for path in paths:
        stories += load_all(path) if path.is_dir() else [parse(read(path, StoryError, _STORIES), path)]
    if not stories:
        raise StoryError(f"no stories to play{_STORIES}")
    seen: dict[str, Story] = {}
    for story in stories:
        other = seen.setdefault(story.name, story)
        if other is not story:
            raise StoryError(f"{story.path}: there is a story called {story.name!r} already, in {other.path}; rename one of them")
    return stories


def choose(
    stories: Iterable[Story], names: Iterable[str] = (), *, groups: Iterable[str] = (), without: Iterable[str] = ()
) -> list[Story]:
    """Those of these stories that are named or are of one of the groups, in the order of `stories`; all of them when none is
    asked for. `without` names stories and groups to leave out. Raises StoryError for a name that means nothing, and where
    nothing is left.
    """
    stories, without = list(stories), list(without)
    known, there = [story.name for story in stories], list(dict.fromkeys(story.group for story in stories))
    wanted, of = set(names), _groups(groups, there)
    if unknown := sorted(wanted - set(known)):
        raise StoryError(no_such("story", unknown, known))
    spared = {name for name in without if name in known}
    spared_groups = _groups((name for name in without if name not in known), there)
    if cancelled := [*sorted(wanted & spared), *sorted(of & spared_groups)]:
        raise StoryError(f"{', '.join(cancelled)}: asked for and left out at once; leave it out of one of the two options")
    asked = [story for story in stories if not (wanted or of) or story.name in wanted or story.group in of]
    left = [story for story in asked if story.name not in spared and story.group not in spared_groups]
    if not left:
        raise StoryError(f"no story is left to play without {', '.join(without)}; leave one of them in")
    return left


def _groups(names: Iterable[str], there: Sequence[str]) -> set[str]:
    """The groups that are meant; dashes may stand for the spaces of a name. Raises StoryError, which lists them."""
    meant = {group.replace(" ", "-"): group for group in there}
    asked = [name.lower().replace(" ", "-") for name in names]
    if unknown := [name for name in asked if name not in meant]:
        raise StoryError(f"no group called {', '.join(map(repr, unknown))}; the groups are: {', '.join(meant)}")
    return {meant[name] for name in asked}


def _build(raw: Mapping[str, Any], path: Path, lines: Mapping[Place, int]) -> Story:
    channel = CHANNELS[raw.get("channels", "all")]
    return Story(
        name=raw["name"],
        title=raw["title"],
        group=raw["group"],
        about=" ".join(raw["about"].split()),
        channels=raw.get("channels", "all"),
        amount=raw["order"]["amount"],
        currency=raw["order"]["currency"],
        capture=raw["order"].get("capture", "now"),
        steps=tuple(
            Step(verb=step, line=lines.get(("steps", index), 0))
            if isinstance(step, str)
            else Step(verb=next(iter(step)), argument=next(iter(step.values())), line=lines.get(("steps", index), 0))
            for index, step in enumerate(raw["steps"])
        ),
        faults=tuple(raw.get("faults", ())),
        standing_faults=(*raw.get("standing_faults", ()), *channel.standing_faults),
        customer_gone=channel.customer_gone or raw.get("calm_customer") == "gone",
        calm_card=raw.get("calm_card", "visa"),
        expect=raw.get("expect"),
        teaches=frozenset(raw.get("teaches", ())),
        catches=tuple(raw.get("catches", ())),
        shop=dict(raw.get("shop", {})),
        path=path,
        document=raw,
    )
