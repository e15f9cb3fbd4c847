"""What the environment is like where people run it: variables, locale, terminal, home, and disks that cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gatecrash.cli import VERBS, main
from gatecrash.cli._environment import READ, unread
from tests.support.process import ServerProcess

# read by no option: by `_gateway`, by an app under test, by these tests
_ELSEWHERE = {"GATECRASH_SANDBOX", "GATECRASH_SECRET_KEY", "GATECRASH_PUBLISHABLE_KEY", "GATECRASH_HYPOTHESIS"}


def options(command: click.Command) -> list[click.Parameter]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [*command.params, *(param for each in below for param in options(each))]


def test_every_variable_that_an_option_reads_is_known_to_be_read() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, verb) for verb in VERBS]
    found = {param.envvar for command in commands if command is not None for param in options(command) if param.envvar}
    assert found | _ELSEWHERE == READ


def test_a_variable_that_nothing_reads_is_named_with_the_nearest_and_without_its_value() -> None:
    said = unread(["GATECRASH_PROT", "GATECRASH_XYZZYQ", "GATECRASH_PORT", "PATH"])
    assert (
        said == "gatecrash: nothing reads 'GATECRASH_PROT' (did you mean GATECRASH_PORT?), 'GATECRASH_XYZZYQ' of the environment."
    )
    assert unread(["GATECRASH_PORT", "PATH"]) is None


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatecrash", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATECRASH_", "LC_", "LANG"))}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**kept, **environment}, stdin=subprocess.DEVNULL
    )


def test_a_verb_says_so_in_one_line_and_does_its_work() -> None:
    told = run("explain", "S1", GATECRASH_PROT="1")
    assert (told.returncode, told.stderr.count("\n")) == (0, 1)
    assert "GATECRASH_PORT" in told.stderr


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (("--memory", "--data", "d2"), {}),
        (("--memory",), {"GATECRASH_DATA": "d2"}),
        (("--data", "d2"), {"GATECRASH_MEMORY": "1"}),
    ],
)
def test_a_folder_for_a_state_that_is_not_kept_is_refused(flags: tuple[str, ...], environment: dict[str, str]) -> None:
    refused = run("serve", "--port", "0", *flags, **environment)
    assert refused.returncode == 2
    assert "give one of the two" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not Path("d2").exists()


POOR = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb", "NO_COLOR": "1", "HOME": "/nonexistent"}


def test_the_gateway_starts_where_the_locale_is_not_utf_8_and_there_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in POOR.items():
        monkeypatch.setenv(name, value)
    server = ServerProcess(tmp_path, "--data", str(tmp_path / "data"))
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "verb", [["--help"], ["explain"], ["explain", "S1"], *([verb, "--help"] for verb in VERBS)], ids=" ".join
)
def test_a_verb_speaks_where_the_locale_is_not_utf_8(verb: list[str]) -> None:
    told = run(*verb, **POOR)
    assert told.returncode == 0, told.stderr
    assert "Traceback" not in told.stderr
    assert "\x1b" not in told.stdout


# a mount namespace of its own in which nothing can be written
_READ_ONLY = (
    "mount --make-rprivate / && for at in / /tmp /var/tmp /dev/shm /run; do "
    'mountpoint -q "$at" && mount -o bind,remount,ro "$at"; done; cd /; exec "$@"'
)


def read_only(*command: str) -> subprocess.CompletedProcess[str]:
    unshared = ["unshare", "-m", "sh", "-c", _READ_ONLY, "sh", *command]
    return subprocess.run(unshared, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


_GATEWAY = "from gatecrash import Gateway\nwith Gateway({}) as gateway: print(gateway.sandbox().charges())"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.call(["unshare", "-m", "true"]) != 0,
    reason="NOT TESTED where nothing can be written: needs a mount namespace of its own",
)
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("-m", "gatecrash", "serve", "--memory", "--port", "0"), "--memory: a folder for temporary files is needed"),
        (("-m", "gatecrash", "serve", "--port", "0"), "--data was gatecrash-data, which cannot be a folder: Read-only"),
        (("-m", "gatecrash", "demo"), "a folder for temporary files is needed"),
        (("-c", _GATEWAY.format("process=True")), "a folder for temporary files is needed"),
        (("-c", _GATEWAY.format("")), ""),
    ],
    ids=["serve --memory", "serve", "demo", "Gateway(process=True)", "Gateway()"],
)
def test_where_nothing_can_be_written_it_works_or_says_in_one_line_what_is_needed(command: tuple[str, ...], said: str) -> None:
    told = read_only(sys.executable, *command)
    assert (told.returncode == 0) == (not said), told.stderr
    assert said in told.stderr
    lines = told.stderr.splitlines()
    if said and command[0] == "-m":
        assert len(lines) == 1, told.stderr
    elif said:
        assert "GatewayStartError" in lines[-1]
        assert "TMPDIR" in lines[-1]
