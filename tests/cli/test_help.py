"""The command line explains itself, and every flag of `serve` can be given by the environment."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatecrash.cli import VERBS
from gatecrash.cli.serve import command as serve
from tests.support.process import ServerProcess


def gatecrash(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gatecrash", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@cache
def help_of(verb: str) -> subprocess.CompletedProcess[str]:
    return gatecrash(verb, "--help")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_overview_names_every_verb(flag: str) -> None:
    shown = gatecrash(flag)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(f"{verb} " in shown.stdout and line in " ".join(shown.stdout.split()) for verb, line in VERBS.items())


def test_the_version_is_told() -> None:
    from gatecrash import __version__

    assert gatecrash("--version").stdout.strip().endswith(__version__)


def test_an_unknown_verb_is_refused_in_words() -> None:
    shown = gatecrash("explode")
    assert shown.returncode == 2
    assert "No such command 'explode'" in shown.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    shown = help_of(verb)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"gatecrash {verb}" in shown.stdout


@pytest.mark.parametrize(
    ("verb", "codes"),
    [
        ("demo", [0, 1, 2, 130]),
        ("prove", [0, 1, 2, 3, 130]),
        ("replay", [0, 1, 2, 130]),
        ("mutants", [0, 1, 2, 130]),
        ("check", [0, 2, 130]),
        ("init", [0, 2, 130]),
        ("serve", [0, 1, 2]),
        ("lint", [0, 1, 2]),
        ("books", [0, 1, 2]),
        ("trigger", [0, 1, 2]),
        ("explain", [0, 1]),
    ],
)
def test_the_help_of_a_verb_names_its_exit_codes(verb: str, codes: list[int]) -> None:
    told = help_of(verb).stdout.partition("Exit code: ")[2].partition("\n\n")[0]
    assert list(map(int, re.findall(r"\b[0-9]+\b", told))) == codes


def test_the_help_of_serve_names_its_flags_and_their_defaults() -> None:
    shown = " ".join(CliRunner().invoke(serve, ["--help"]).output.split())
    for flag in ("--port", "--host", "--data", "--memory", "--seed", "--url-file", "--allow-host"):
        assert flag in shown
    assert "8402" in shown
    assert "127.0.0.1" in shown


def test_every_flag_of_serve_has_its_variable() -> None:
    for option in serve.params:
        assert option.envvar == "GATECRASH_" + str(option.name).upper()


def test_the_environment_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECRASH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GATECRASH_SEED", "from the environment")
    monkeypatch.setenv("GATECRASH_ALLOW_HOST", "one.example two.example")
    server = ServerProcess(tmp_path)
    assert server.stop() == 0
    assert (tmp_path / "data" / "gatecrash.sqlite3").exists()
    monkeypatch.delenv("GATECRASH_DATA")
    monkeypatch.setenv("GATECRASH_PORT", "0")
    monkeypatch.setenv("GATECRASH_MEMORY", "1")
    monkeypatch.setenv("GATECRASH_URL_FILE", str(tmp_path / "missing" / "urls.json"))
    refused = gatecrash("serve")
    assert refused.returncode == 2
    assert "--url-file" in refused.stderr


def test_the_url_file_holds_the_address_of_each_dialect(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--memory")
    urls = json.loads(server.url_file.read_text())
    assert server.stop() == 0
    assert urls["native"].startswith("http://127.0.0.1:")
    assert 1024 <= int(urls["native"].rpartition(":")[2]) <= 65535
    assert [path.name for path in tmp_path.glob("urls.json*")] == ["urls.json"], "no draft is left"
    assert urls["native"] in server.log
    assert "state in memory" in server.log
    assert f"{urls['native']}/docs" in server.log


def test_a_url_file_of_an_earlier_run_is_not_taken_for_this_one(tmp_path: Path) -> None:
    stale = tmp_path / "urls.json"
    stale.write_text('{"native": "http://127.0.0.1:1"}')
    refused = gatecrash("serve", "--port", "0", "--memory", "--url-file", str(stale), "--host", "999.0.0.1")
    assert refused.returncode == 2
    assert not stale.exists()


def test_the_same_seed_gives_the_same_ids(tmp_path: Path) -> None:
    def first_token(seed: str) -> str:
        folder = tmp_path / f"{len(os.listdir(tmp_path))}"
        folder.mkdir()
        server = ServerProcess(folder, "--memory", "--seed", seed)
        connection = HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/client_tokens", "{}", {"Authorization": "Bearer sk_test_seeds"})
        token = json.load(connection.getresponse())["id"]
        connection.close()
        assert server.stop() == 0
        return str(token)

    assert first_token("1") == first_token("1") != first_token("2")
