"""What verbs print: tables and lines for people, JSON for programs. Into a pipe: no colours, no wrapping, one row a line."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from gatecrash.cli._terminal import json_text, one_line

# words that mean the same everywhere → how they look on a terminal
STYLES = {
    **dict.fromkeys(("succeeded", "enabled", "yes", "valid"), "green"),
    **dict.fromkeys(("failed", "NO", "forged", "stale", "unreadable"), "red"),
    **dict.fromkeys(("pending", "authorized", "requires_action", "processing", "frozen", "scaled", "auto"), "yellow"),
    **dict.fromkeys(("canceled", "voided", "expired", "disabled"), "bright_black"),
}


def document(value: Any) -> None:
    """The one JSON document of a verb with `--json`."""
    click.echo(json_text(json.dumps(value, indent=2, ensure_ascii=False)))


def json_line(value: Any) -> None:
    """One of many JSON documents, a line each; written at once."""
    click.echo(json_text(json.dumps(value, ensure_ascii=False)))


def note(message: str) -> None:
    """A remark of ours among lines that go on; on stderr, so that what reads the lines is not disturbed."""
    click.echo(click.style(f"-- {one_line(message)}", fg="bright_black"), err=True)


# a column with cells longer than this, of several words, is prose and may be broken into lines; ids never are
_PROSE = 24


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under headings; `empty` in place of a table without rows. None is shown as nothing at all.

    On a terminal it is drawn, prose broken to fit; where even that does not fit, and in a pipe, a row is one line.
    """
    cells = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
    elif not (sys.stdout.isatty() and _drawn(headings, cells)):
        wide = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
        for row in ([heading.upper() for heading in headings], *cells):
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip())


def _drawn(headings: Sequence[str], cells: list[list[str]]) -> bool:
    """Draw a table, if the terminal is wide enough; whether it was."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    needed = 0
    for heading, *column in zip(headings, *cells, strict=True):
        prose = any(" " in cell and len(cell) > _PROSE for cell in column)
        width = _PROSE if prose else max(map(len, (heading, *column)))
        drawn.add_column(heading, no_wrap=not prose, min_width=width)
        needed += width + 2
    if needed > console.width:
        return False
    for row in cells:
        drawn.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
    console.print(drawn)
    return True


def styled(word: str, width: int = 0) -> str:
    """A word in the style that it has everywhere, padded to `width`; plain where there are no colours."""
    padded = word.ljust(width)
    return click.style(padded, fg=STYLES[word]) if word in STYLES else padded
