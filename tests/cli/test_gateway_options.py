"""What every verb that talks to a gateway has in common: whom it means, and how it says that nobody answers."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gatecrash.cli import VERBS, main
from gatecrash.client import Sandbox
from tests.support.process import ServerProcess

# arguments that a verb needs before it talks to anyone
NEEDS = {
    "faults add": ["webhook.due", "drop"],
    "faults remove": ["rule_1"],
    "clock advance": ["1"],
    "clock scale": ["2"],
    "trigger": ["charge.succeeded"],
    "events show": ["evt_1"],
    "events resend": ["evt_1"],
    "seed": [str(Path(__file__).with_name("things.yaml"))],
}
NOBODY = "http://127.0.0.1:1"


def talking(command: click.Command, words: tuple[str, ...]) -> Iterator[list[str]]:
    """The words of every verb that takes `--url`."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from talking(found, (*words, name))
    elif any("--url" in parameter.opts for parameter in command.params):
        yield [*words, *NEEDS.get(" ".join(words), [])]


TALKING = list(talking(main, ()))


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, arguments)


def refusal(*arguments: str, **environment: str) -> str:
    result = run(*arguments, **environment)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("gatecrash: ")
    return line


def test_the_verbs_that_talk_are_found() -> None:
    need_none = {"demo", "serve", "explain", "init", "check", "prove", "replay", "mutants", "stories", "completion"}
    assert {words[0] for words in TALKING} == VERBS.keys() - need_none


@pytest.mark.parametrize("words", TALKING, ids=" ".join)
def test_a_gateway_that_is_not_there_is_one_line_that_says_how_to_start_it(words: list[str]) -> None:
    line = refusal(*words, "--url", NOBODY)
    assert NOBODY in line
    assert "gatecrash serve" in line


@pytest.mark.parametrize("words", TALKING, ids=" ".join)
def test_every_verb_says_whom_it_talks_to(words: list[str]) -> None:
    shown = run(*words[:2], "--help").stdout
    assert all(option in shown for option in ("--url", "--sandbox", "--key", "--control-token", "--json")), shown


@pytest.mark.parametrize("url", ["127.0.0.1:8402", "ftp://x", "", "http://", "http://h:99999"])
def test_an_address_that_is_none_is_wrong_use(url: str) -> None:
    assert "expected the address of a gateway" in refusal("books", "--url", url)


@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        ((), {}, "default"),
        (("--sandbox", "opts-a"), {}, "opts-a"),
        (("--key", "sk_test_opts-b"), {}, "opts-b"),
        ((), {"GATECRASH_SECRET_KEY": "sk_test_opts-c"}, "opts-c"),
        ((), {"GATECRASH_SANDBOX": "opts-d"}, "opts-d"),
        (("--sandbox", "opts-e"), {"GATECRASH_SECRET_KEY": "sk_test_opts-c"}, "opts-e"),
        (("--key", "sk_test_opts-f"), {"GATECRASH_SANDBOX": "opts-d"}, "opts-f"),
    ],
)
def test_a_sandbox_is_named_by_flag_or_environment(
    server: ServerProcess, arguments: tuple[str, ...], environment: dict[str, str], name: str
) -> None:
    result = run("sandboxes", "reset", *arguments, GATECRASH_URL=server.url, **environment)
    assert f"Sandbox {name} is empty" in result.stdout


@pytest.mark.parametrize("key", ["pk_test_me", "nonsense", "sk_test_", "sk_test_a b", "sk_live_real"])
def test_a_key_that_is_none_is_wrong_use_and_is_not_repeated(server: ServerProcess, key: str) -> None:
    line = refusal("books", "--key", key, "--url", server.url)
    assert "sk_test_NAME" in line or "letters, digits" in line
    assert "sk_live" not in line


def test_two_names_for_a_sandbox_are_one_too_many() -> None:
    result = run("books", "--key", "sk_test_me", "--sandbox", "me", "--url", NOBODY)
    assert result.exit_code == 2
    assert "either of them" in result.stderr


def test_a_break_in_the_answer_is_told_in_one_line(server: ServerProcess) -> None:
    Sandbox(server.url, "opts-broken").faults.add("response.partial", "close", times=None)
    line = refusal("events", "list", "--sandbox", "opts-broken", "--url", server.url)
    assert "connection broke" in line


@pytest.mark.parametrize("status", [200, 502])
def test_an_answer_that_is_no_gateways_is_told_in_one_line(server: ServerProcess, status: int) -> None:
    sandbox = Sandbox(server.url, "opts-odd")
    sandbox.faults.add("request.received", "status", params={"status": status, "body": "<h1>Some proxy</h1>"})
    result = run("events", "list", "--sandbox", "opts-odd", "--url", server.url)
    assert result.exit_code == 1
    assert "<h1>Some proxy</h1>" in result.stderr
    assert f"was answered {status}" in result.stderr
