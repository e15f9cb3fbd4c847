"""docs/prove.md tells every field and every step, and what it shows is what there is."""

import re
from pathlib import Path

import yaml
from click import Command

from gatecrash.cli import main
from gatecrash.harness.merchant_profile import ORDER_VALUES, SHOP_SETTINGS, WORLD_VALUES, parse
from gatecrash.harness.story import parse as parse_story
from tests.harness.told import PAGE, told

TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line[2:].split("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


def test_the_tables_of_the_page_are_those_of_the_schemas() -> None:
    assert told(TEXT) == TEXT, "write them anew: python -m tests.harness.told"


def test_every_placeholder_is_told() -> None:
    assert [name for name in WORLD_VALUES | SHOP_SETTINGS.keys() | ORDER_VALUES if f"`{{{name}}}`" not in TEXT] == []


def test_every_verb_and_option_that_the_page_types_is_one() -> None:
    typed = [command.split() for command in COMMANDS if command.startswith("gatecrash ")]
    assert {words[1] for words in typed} >= {"init", "check", "prove", "replay"}
    for words in typed:
        verb = main.get_command(None, words[1])  # type: ignore[arg-type]
        assert isinstance(verb, Command), words
        options = {option for param in verb.params for option in (*param.opts, *param.secondary_opts)}
        assert [word for word in words if word.startswith("--") and word not in options] == []
    table = re.findall(r"^\| `gatecrash (\w+)[^|]*\| (.*) \|$", TEXT, re.MULTILINE)
    assert {verb for verb, _ in table} == {"init", "check", "prove", "replay", "explain"}
    for name, said in table:
        verb = main.get_command(None, name)  # type: ignore[arg-type]
        assert isinstance(verb, Command)
        options = {option for param in verb.params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", said)) <= options


def test_the_init_of_the_page_writes_a_profile(tmp_path: Path) -> None:
    import shlex

    from click.testing import CliRunner

    (command,) = [command for command in COMMANDS if command.startswith("gatecrash init")]
    done = CliRunner().invoke(main, [*shlex.split(command)[1:2], str(tmp_path / "merchant.toml"), *shlex.split(command)[2:]])
    assert done.exit_code == 0, done.output
    profile = parse((tmp_path / "merchant.toml").read_text(encoding="utf-8"), tmp_path / "merchant.toml")
    assert (profile.name, profile.pay.path, profile.webhook_path) == ("my-shop", "/pay", "/webhook")


def test_the_story_and_the_recipe_of_the_page_can_be_read() -> None:
    story, recipe = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert parse_story(story, Path("charged-then-silence.yaml")).expect == {"status": "PAID", "captured": 4200}
    steps = yaml.safe_load(recipe)["jobs"]["payments"]["steps"]
    assert any("gatecrash prove" in step.get("run", "") for step in steps)


def test_every_file_that_the_page_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert links
    assert [link for link in links if "://" not in link and not (PAGE.parent / link).exists()] == []
