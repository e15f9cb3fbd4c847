"""What README.md and the pages of docs/ and examples/ show of commands; `python -m tests.docs.outputs [PAGE…]` writes it anew.

A `console` block behind `<!-- output -->` is run: a shell runs each line that begins with `$ `, in a folder with copies of the
examples. Each page has a gateway of its own; its sandboxes stand still at NOON. What differs in each run becomes `…` (UNSTABLE).
A page may leave more out: a line `…` stands for any lines, and `…` within a line for anything. A block that is true is left as it
is. One that is stale is written whole, to be shortened again by hand.

Two kinds of figures in the text are counted from the code: see FIGURES.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatecrash import Gateway
from gatecrash.harness.story import load_all
from reference_merchant.mutants import MUTANTS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/README.md")])
NOON = "2026-12-01T12:00:00Z"
BLOCK = re.compile(r"(?<=^<!-- output -->\n```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
#: A block that no command of ours prints, or not twice alike, says why.
KEPT = re.compile(r"^<!-- not run: .+ -->\n```console\n.*?^```$", re.MULTILINE | re.DOTALL)
#: What the page types, and what is typed while it is checked.
ADDRESS = "127.0.0.1:8402"
#: Commands that do not end by themselves, and what is typed instead.
TYPED = {"$ gatecrash serve": ": | gatecrash serve --port 0 --with-stdin"}
#: What differs from run to run, and what the page shows of it.
UNSTABLE = (
    (r" {2,}\d+(\.\d+)? s(?= |$)", "  … s"),
    (r"(?<= )\d+(\.\d+)? s(?=[,.;])", "… s"),
    (r"^-- .*\n", ""),  # progress, every ten seconds
    (r"[ \r]+$", ""),
    (r"127\.0\.0\.1:\d{5}", ADDRESS),
    (r"idempotency_key=[a-z0-9]{16}\b", "idempotency_key=…"),
    (r"\b\d+ faults struck", "… faults struck"),
    (r"\(pid \d+\)", "(pid …)"),
)


@dataclass(frozen=True)
class Figure:
    """A number that stands before some words, wherever a page has them."""

    words: str
    number: int


FIGURES = (Figure("failure stories", len(load_all())), Figure("known bugs", len(MUTANTS)))


def counted(page: str) -> str:
    """The page with every figure as the code has it."""
    for figure in FIGURES:
        page = re.sub(rf"\b\d+(?= {figure.words}\b)", str(figure.number), page)
    return page


def blocks(page: str) -> list[str]:
    return BLOCK.findall(page)


def commands(block: str) -> Iterator[str]:
    """The commands of a block; one may go on over lines that end with a backslash."""
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = [line]
            while command[-1].endswith("\\"):
                command.append(next(lines))
            yield "\n".join(command)


def is_true(shown: str, printed: str) -> bool:
    """Whether a block says what was printed, but for what it leaves out, and for ids, which count every object made before."""
    shown = re.sub(r"\b([a-z]+)_[0-9a-z]{20}\b", r"\1_…", shown)
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in shown.splitlines()]
    return re.fullmatch("".join(parts), printed) is not None


class Session:
    """A shell beside a gateway, in a folder with copies of what the commands of a page name."""

    def __init__(self, home: Path, folder: Path, gateway: Gateway) -> None:
        self._folder = folder
        self._address = gateway.url.removeprefix("http://")
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GATECRASH_", "PYTEST_", "COV_"))},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "GATECRASH_URL": gateway.url,
            "CURL_HOME": str(home),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, command: str) -> str:
        """What a command prints on both its streams, with everything unstable taken out."""
        typed = TYPED.get(command, command.removeprefix("$ ").replace(ADDRESS, self._address))
        done = subprocess.run(
            ["sh", "-c", typed],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=1200,
        )
        return stable(done.stdout.replace(self._address, ADDRESS))

    def play(self, block: str) -> str:
        """The block as its commands print it now."""
        return "".join(f"{command}\n{_whole_lines(self.run(command))}" for command in commands(block))


def stable(text: str) -> str:
    for pattern, instead in UNSTABLE:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


@contextlib.contextmanager
def session(path: Path) -> Iterator[Session]:
    """A session for a page; it is typed in the page's own folder, if that is one of the examples."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="gatecrash-pages-") as name:
        folder = Path(name)
        ignored = shutil.ignore_patterns("__pycache__", "gatecrash-failures", "node_modules")
        for copied in ("examples", "reference_merchant", "scenarios", "tests/examples"):
            shutil.copytree(ROOT / copied, folder / copied, ignore=ignored)
        (folder / ".curlrc").write_text("silent\nshow-error\n", encoding="utf-8")
        with Gateway(process=True) as gateway:
            beside = folder / path.parent.relative_to(ROOT)
            opened = Session(folder, beside if beside.exists() else folder, gateway)
            for sandbox in sorted({"default", *re.findall(r"(?:--sandbox |sk_test_)([a-z]+)", "".join(blocks(page)))}):
                opened.run(
                    f"gatecrash sandboxes create --sandbox {sandbox} && gatecrash clock freeze --sandbox {sandbox} --at {NOON}"
                )
            yield opened


def renewed(path: Path) -> str:
    """The page with every block that is stale written anew, and every figure counted."""
    page = counted(path.read_text(encoding="utf-8"))
    if not blocks(page):
        return page
    with session(path) as opened:

        def anew(found: re.Match[str]) -> str:
            printed = opened.play(found[0])
            return found[0] if is_true(found[0], printed) else printed

        return BLOCK.sub(anew, page)


if __name__ == "__main__":
    for path in map(Path.resolve, map(Path, sys.argv[1:])) if sys.argv[1:] else PAGES:
        before = path.read_text(encoding="utf-8")
        after = renewed(path)
        path.write_text(after, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'as it was' if after == before else 'written anew'}")
