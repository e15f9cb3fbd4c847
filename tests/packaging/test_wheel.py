"""What is shipped: the wheel holds the gateway, the shop, the contracts and the stories, and runs from where it is installed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(installed: Path, code: str) -> str:
    """What the code prints, with the installed packages before any other, and far from the checkout."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", code], cwd=installed, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_holds_two_packages_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops - {one for one in tops if one.endswith(".dist-info")} == {"gatecrash", "reference_merchant"}
    assert not [name for name in names if "/test_" in name or "__pycache__" in name]


def test_it_holds_every_file_of_the_packages_and_of_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, below in (
        ("simulator/gatecrash", "gatecrash"),
        ("reference_merchant", "reference_merchant"),
        ("contracts", "gatecrash/data/contracts"),
        ("scenarios", "gatecrash/data/scenarios"),
    ):
        here = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert here
        assert not {f"{below}/{path.relative_to(ROOT / folder).as_posix()}" for path in here} - names


def test_it_tells_its_command_and_its_dialect(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    text = archive.read(points).decode()
    assert "gatecrash = gatecrash.cli:main" in text
    assert "gatecrash = gatecrash.pytest_plugin" in text
    assert "native = gatecrash.dialects.native:dialect" in text


def test_the_data_is_found_where_it_is_installed(installed: Path) -> None:
    code = "import json; from gatecrash import resources as r; print(json.dumps([str(r.contracts()), str(r.scenarios())]))"
    contracts, scenarios = (Path(one) for one in json.loads(run(installed, code)))
    assert contracts == installed / "gatecrash/data/contracts"
    assert scenarios == installed / "gatecrash/data/scenarios"
    assert sorted(path.name for path in scenarios.iterdir()) == sorted(path.name for path in (ROOT / "scenarios").iterdir())


def test_the_data_is_found_in_a_checkout() -> None:
    code = "import json; from gatecrash import resources as r; print(json.dumps([str(r.contracts()), str(r.scenarios())]))"
    found = json.loads(run(ROOT / "simulator", code))
    assert found == [str(ROOT / "contracts"), str(ROOT / "scenarios")]


def test_a_broken_installation_is_told(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed / "gatecrash", tmp_path / "gatecrash")
    shutil.rmtree(tmp_path / "gatecrash/data")
    code = (
        "from gatecrash import resources\n"
        "try:\n    resources.contracts()\nexcept FileNotFoundError as error:\n    print(error)\nelse:\n    print('found')"
    )
    assert "reinstall gatecrash" in run(tmp_path, code)


def test_the_shop_is_in_it_with_its_pages_and_its_schema(installed: Path) -> None:
    assert run(installed, "import reference_merchant; print(reference_merchant.__file__)").startswith(str(installed))
    assert list((installed / "reference_merchant").rglob("*.sql"))


def test_the_installed_gateway_serves(installed: Path, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, pathlib, time, json, http.client\n"
        f"urls = pathlib.Path({str(tmp_path / 'urls.json')!r})\n"
        "command = [sys.executable, '-m', 'gatecrash', 'serve', '--memory', '--port', '0', '--url-file', str(urls)]\n"
        "server = subprocess.Popen(command, stdout=subprocess.DEVNULL)\n"
        "while not urls.exists():\n    assert server.poll() is None; time.sleep(0.01)\n"
        "port = int(json.loads(urls.read_text())['native'].rpartition(':')[2])\n"
        "asked = http.client.HTTPConnection('127.0.0.1', port)\n"
        "told = {}\n"
        "for path in ('/hosted/card-fields', '/docs', '/hosted/docs.js', '/openapi.json'):\n"
        "    asked.request('GET', path); page = asked.getresponse(); told[path] = (page.status, page.read())\n"
        "server.terminate()\n"
        "print(*(one[0] for one in told.values()), len(json.loads(told['/openapi.json'][1])['paths']) > 20, server.wait(20))"
    )
    assert run(installed, code) == "200 200 200 200 True 0"


def test_its_stories_are_listed_and_explained_where_it_is_installed(installed: Path) -> None:
    code = "import sys; from gatecrash.cli import main; main(sys.argv[1:] or ['stories', 'lost-response'])"
    assert "What breaks: reset at operation.committed" in run(installed, code)
    assert "A naive shop violates: S1" in run(installed, code.replace("'stories'", "'explain'"))
    assert "money" in run(installed, code.replace("'stories', 'lost-response'", "'stories'")).splitlines()
