"""What a story becomes when other channels are open in it, or when nothing breaks: documents made of documents."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.story import Story, StoryError, parse_document
from gatecrash.spelling import no_such

#: Steps that break something, mend it or wait for it. What is left is what customers and staff do, and how time passes.
_BREAKING = frozenset({"break", "mend", "wait_for", "wait_for_webhook", "kill_merchant", "kill_gateway", "restart_merchant"})
#: What a story says of faults, and of how it ends with them.
_FAULTS = ("faults", "standing_faults", "expect")


def in_channels(stories: Iterable[Story], channels: Iterable[str]) -> list[Story]:
    """Each story with each of these sets of channels open, as `story@channels`. What it is expected to come to was said of its
    own channels, and goes with them. Raises StoryError for channels that there are not.
    """
    channels = list(channels)
    check_channels(channels)
    return [_in_channels(story, each) for story in stories for each in channels]


def check_channels(channels: Iterable[str]) -> None:
    """Raises StoryError for channels that there are not."""
    if unknown := sorted(set(channels) - CHANNELS.keys()):
        raise StoryError(no_such("channels", unknown, CHANNELS))


def unbroken(story: Story) -> Story:
    """What customers and staff do in it, as `story-unbroken`; the story itself where nothing is broken in it."""
    document = _document(story)
    steps = [step for step in document["steps"] if _verb(step) not in _BREAKING]
    if len(steps) == len(document["steps"]) and not document.keys() & {"faults", "standing_faults"}:
        return story
    kept = {name: value for name, value in document.items() if name not in _FAULTS}
    return _story({**kept, "name": f"{story.name}-unbroken", "steps": steps}, story)


def _in_channels(story: Story, channels: str) -> Story:
    document = _document(story)
    kept = {name: value for name, value in document.items() if name != "expect" or channels == story.channels}
    return _story({**kept, "name": f"{story.name}@{channels}", "channels": channels}, story)


def _document(story: Story) -> dict[str, Any]:
    assert story.document is not None, "stories are read from documents"
    return dict(story.document)


def _verb(step: Any) -> str:
    return step if isinstance(step, str) else next(iter(step))


def _story(document: dict[str, Any], of: Story) -> Story:
    return parse_document(document, of.path or Path(f"{of.name}.yaml"))
