"""The command line against a real gateway: `cli("faults", "list")` in a sandbox of the test's own."""

import itertools
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gatecrash.cli import main
from gatecrash.client import Sandbox
from tests.support.process import ServerProcess

_NAMES = itertools.count(1)


class Cli:
    """Verbs in this process, as a script would run them; `sandbox` is a handle of the same sandbox."""

    def __init__(self, url: str, name: str) -> None:
        self.sandbox = Sandbox(url, name)
        self.where = ("--url", url, "--sandbox", name)
        self.sandbox.reset()  # brings it into being

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """Run a verb and hold it to its exit code. `result.output` is stdout and stderr, `.stdout` and `.stderr` are each."""
        result = CliRunner().invoke(main, [*arguments, *self.where])
        assert result.exit_code == code, result.output
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one document that `--json` prints."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def refused(self, *arguments: str, code: int) -> str:
        """The one line that a verb ends with, which stands alone."""
        result = self(*arguments, code=code)
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("gatecrash: ")
        return line


@pytest.fixture
def cli(server: ServerProcess) -> Cli:
    return Cli(server.url, f"cli-{next(_NAMES)}")
