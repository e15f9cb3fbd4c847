"""Imports: what is light stays light, and arrows point one way."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatecrash

# room → the rooms that it may know, also where an import is put off
ARROWS = {
    "core": {"spelling"},
    "client": set(),
    "lint": set(),
    "sockets": set(),
    "resources": set(),
    "counted": set(),
    "warm": {"cli", "dialects", "server"},
    "files": set(),
    "spelling": set(),
    "together": set(),
    "yaml_text": set(),
    "store": {"core", "files"},
    "faults": {"core", "spelling"},
    "webhooks": {"core", "sockets", "together"},
    "dialects": {"core", "webhooks"},
    "server": {
        *("core", "dialects", "faults", "files", "lint", "resources", "sockets", "store", "together", "webhooks", "yaml_text"),
        "__version__",
    },
    # the simulated world runs the gateway itself; the rest of the harness speaks HTTP to it
    "harness": {
        *(
            "core",
            "counted",
            "dialects",
            "faults",
            "files",
            "lint",
            "resources",
            "server",
            "spelling",
            "store",
            "together",
            "warm",
        ),
        "yaml_text",
    },
    "embedded": {"client", "files", "server", "store", "warm", "webhooks"},
    "pytest_plugin": {"client", "counted", "Gateway", "Sandbox"},
    "cli": {
        *("client", "core", "counted", "dialects", "faults", "files", "harness", "lint", "resources", "server", "spelling"),
        *("webhooks", "yaml_text", "__version__"),
    },
    "__init__": {"client", "embedded"},
    "__main__": {"cli"},
}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import gatecrash",
        "import gatecrash.cli",
        "import gatecrash.cli.serve",
        "import gatecrash.cli.explain",
        "import gatecrash.cli.faults",
        "import gatecrash.cli.journal",
        "import gatecrash.cli.listen",
        "import gatecrash.cli.trigger",
        "import gatecrash.client.trigger",
        "import gatecrash.resources",
        "from gatecrash import Gateway, Sandbox, GatewayError; Gateway(); Sandbox('http://127.0.0.1:1', 'me')",
        "import gatecrash.client.aio, gatecrash.client.catch",
        "from click.testing import CliRunner; from gatecrash.cli import main; CliRunner().invoke(main, ['--help'])",
        "from click.testing import CliRunner; from gatecrash.cli import main; CliRunner().invoke(main, ['serve', '--help'])",
    ],
)
def test_what_starts_the_command_line_is_light(code: str) -> None:
    heavy = {"aiohttp", "sqlite3", "cryptography", "jinja2", "yaml", "jsonschema", "hypothesis", "rich", "pytest"}
    assert not loaded_by(code) & heavy


def imported(file: Path) -> Iterator[str]:
    """The rooms that a file names in an import, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("gatecrash."))


def test_arrows_between_rooms_point_one_way() -> None:
    package = Path(gatecrash.__file__).parent
    found: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        found.setdefault(room, set()).update(imported(file))
    astray = {room: known - ARROWS[room] - {room} for room, known in found.items()}
    assert not any(astray.values()), {room: names for room, names in astray.items() if names}


def test_the_core_knows_nobody_above_it() -> None:
    code = (
        "import importlib, pkgutil, gatecrash.core as core\n"
        "for module in pkgutil.walk_packages(core.__path__, 'gatecrash.core.'): importlib.import_module(module.name)"
    )
    loaded = loaded_by(code)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("gatecrash.")}
    assert rooms == {"core", "spelling"}
    assert not loaded & {"aiohttp", "asyncio", "sqlite3"}


def test_the_shop_knows_nothing_of_the_gateway() -> None:
    code = (
        "import importlib, pkgutil, reference_merchant as shop\n"
        "for module in pkgutil.walk_packages(shop.__path__, 'reference_merchant.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)"
    )
    assert not {name for name in loaded_by(code) if name.partition(".")[0] == "gatecrash"}


def test_the_pytest_plugin_adds_nothing_to_what_pytest_loads() -> None:
    added = loaded_by("import pytest, gatecrash.pytest_plugin") - loaded_by("import pytest")
    assert {name for name in added if not name.startswith("gatecrash")} <= {"hashlib", "_hashlib", "_blake2"}
    assert {name for name in added if name.startswith("gatecrash")} == {"gatecrash", "gatecrash.pytest_plugin"}
