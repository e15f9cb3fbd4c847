"""Stories: the shipped ones are sound, and mistakes are told by file, line and place."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from gatecrash import resources
from gatecrash.harness import demo
from gatecrash.harness.cards import GOOD_CARDS, NUMBERS
from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.oracles import ORACLES
from gatecrash.harness.steps import VERBS
from gatecrash.harness.story import Story, StoryError, choose, load, load_all, parse

SCHEMA = json.loads((resources.contracts() / "story.schema.json").read_text())
SHIPPED = load_all()

GOOD = """\
name: lost
title: Lost
group: lost answers
about: >
  The answer to a charge is lost on the way back, and the shop must find out what became of it by asking.
order: {amount: 4200, currency: usd}
faults:
  - {station: operation.committed, kind: reset, match: {operation: charges.create}}
steps:
  - place_order
  - pay: visa
"""


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


#: Stories with two right ends: paid, or cancelled with the money given back.
EITHER_WAY = frozenset({"cancelled-while-paying"})


@pytest.mark.parametrize("story", SHIPPED, ids=lambda story: story.name)
def test_every_shipped_story_is_sound_and_readable(story: Story) -> None:
    assert story.teaches <= set(ORACLES)
    assert story.expect is not None or story.name in EITHER_WAY, "a shipped story says what a correct merchant ends with"
    assert "place_order" in [step.verb for step in story.steps[:3]], "only what somebody else has charged comes before an order"
    assert len(story.about) >= 200, "a failure story tells what goes wrong and what must hold"


def test_the_stories_cover_every_group_and_every_channel() -> None:
    assert len(SHIPPED) >= 40
    assert {story.group for story in SHIPPED} == set(SCHEMA["properties"]["group"]["enum"])
    assert {story.channels for story in SHIPPED} == set(CHANNELS)


def test_the_stories_of_the_demo_are_all_there() -> None:
    wanted = set(demo.STORIES)
    assert wanted <= {story.name for story in SHIPPED}
    assert SHIPPED[0].name == "happy-path", "the baseline comes first"


def test_schema_and_code_know_the_same_words() -> None:
    definitions, properties = SCHEMA["$defs"], SCHEMA["properties"]
    bare, with_argument = definitions["step"]["oneOf"]
    assert set(bare["enum"]) | set(with_argument["properties"]) == set(VERBS)
    assert definitions["card"]["enum"] == list(NUMBERS)
    assert set(properties["channels"]["enum"]) == set(CHANNELS)
    assert set(ORACLES) <= set(properties["teaches"]["items"]["enum"])
    assert set(NUMBERS) >= GOOD_CARDS


def test_a_story_is_read_as_it_stands() -> None:
    story = parse(GOOD, Path("lost.yaml"))
    assert (story.amount, story.currency, story.channels) == (4200, "usd", "all")
    assert [(step.verb, step.argument, step.line) for step in story.steps] == [
        ("place_order", None, 10),
        ("pay", "visa", 11),
    ]
    assert not story.customer_gone


def test_a_channel_profile_brings_its_rules_and_sends_the_customer_away() -> None:
    story = parse(GOOD + "channels: abandon\n", Path("lost.yaml"))
    assert story.customer_gone
    assert {rule["kind"] for rule in story.standing_faults} == {"drop"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("currency: usd", "currency: USD", "lost.yaml:6: /order/currency: found 'USD'"),
        ("amount: 4200", "amount: 42.5", "lost.yaml:6: /order/amount: found 42.5, expected a whole number"),
        ("amount: 4200, ", "", "lost.yaml:6: /order: found 'amount' missing"),
        (
            "kind: reset",
            "kind: explode",
            "lost.yaml:8: /faults/0/kind: found 'explode', expected one of crash,",
        ),
        (
            "match: {operation",
            "match: {verb",
            "lost.yaml:8: /faults/0/match: found unknown 'verb', expected only",
        ),
        ("pay: visa", "pay: gold", "lost.yaml:11: /steps/1/pay: found 'gold', expected one of visa,"),
        (
            "pay: visa",
            "bribe: visa",
            "lost.yaml:11: /steps/1: found unknown 'bribe'; did you mean break?",
        ),
        ("- place_order", "- placeorder", "lost.yaml:10: /steps/0: found 'placeorder'; did you mean place_order"),
        ("- place_order", "- xyzzy", "lost.yaml:10: /steps/0: found 'xyzzy'; the steps are: "),
        ("- pay: visa", "- pay", "lost.yaml:11: /steps/1: found 'pay' alone, expected its argument: The customer pays once"),
        ("- pay: visa", "- pay: visa\n    look: 1", "lost.yaml:11: /steps/1: found 'pay' and 'look' in one step, expected one"),
        ("- pay: visa", "- wait: {seconds: 60}", "lost.yaml:11: /steps/1/wait/seconds: found 60, expected 10 at most"),
        ("group: lost answers", "group: sad", "lost.yaml:3: /group: found 'sad', expected one of baseline"),
        ("title: Lost\n", "", "lost.yaml:1: /: found 'title' missing, expected all of name, title"),
        ("title: Lost", "title: Lost\nmood: sad", "found unknown 'mood', expected only name, title"),
        (
            "name: lost",
            "name: found",
            "lost.yaml:1: the story is called 'found'; rename the file to found.yaml",
        ),
        (
            "- pay: visa",
            "- turn_to_order: 2",
            "lost.yaml:11: /steps/1/turn_to_order: found order 2, expected one that is placed before: 1",
        ),
        ("- place_order", "- turn_to_order: 1", "/steps/0/turn_to_order: found order 1, expected a place_order before"),
        ("pay: visa", "turn_to_order: 0", "lost.yaml:11: /steps/1/turn_to_order: found 0, expected 1 or more"),
        ("steps:", "steps: [", "not YAML"),
    ],
)
def test_a_mistake_is_told_by_file_line_and_place(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(StoryError) as caught:
        parse(GOOD.replace(old, new, 1), Path("lost.yaml"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "just words", "- a list", "4"])
def test_a_file_that_is_no_mapping_is_told_so(text: str) -> None:
    with pytest.raises(StoryError, match=r"lost\.yaml:1: /: found .* expected a table of names and values"):
        parse(text, Path("lost.yaml"))


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoryError, match=r"nowhere\.yaml: cannot be read"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(StoryError, match="no stories here"):
        load_all(tmp_path)


def test_stories_are_chosen_by_group_and_without_some() -> None:
    money = {story.name for story in SHIPPED if story.group == "money"}
    lost = {story.name for story in SHIPPED if story.group == "lost answers"}
    assert {story.name for story in choose(SHIPPED, groups=["money"])} == money
    assert {story.name for story in choose(SHIPPED, groups=["lost-answers", "Money"])} == money | lost
    assert {story.name for story in choose(SHIPPED, ["happy-path"], groups=["money"])} == {"happy-path"} | money
    spared = choose(SHIPPED, without=["lost answers", "happy-path"])
    assert {story.name for story in spared} == {story.name for story in SHIPPED} - lost - {"happy-path"}
    with pytest.raises(StoryError, match=r"no group called 'monny'; the groups are: baseline, lost-answers, money"):
        choose(SHIPPED, groups=["monny"])
    with pytest.raises(StoryError, match=r"no group called 'lots-response'; the groups are"):
        choose(SHIPPED, without=["lots-response"])
    with pytest.raises(StoryError, match=r"happy-path: asked for and left out at once"):
        choose(SHIPPED, ["happy-path"], without=["happy-path"])


def test_stories_of_money_come_early() -> None:
    groups = list(dict.fromkeys(story.group for story in SHIPPED))
    assert groups[:3] == ["baseline", "lost answers", "money"]


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all() -> None:
    with pytest.raises(StoryError, match=r"no story called 'lots-response'; did you mean lost-response\?"):
        choose(SHIPPED, ["lots-response"])
    with pytest.raises(StoryError, match=r"no story called 'zzz'; there are: happy-path, "):
        choose(SHIPPED, ["zzz"])
    assert [story.name for story in choose(SHIPPED, ["timeout", "happy-path"])] == ["happy-path", "timeout"]


def test_a_user_can_load_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "lost.yaml").write_text(GOOD)
    [story] = load_all(tmp_path)
    assert story.name == "lost"
    assert yaml.safe_load(GOOD)["title"] == story.title
