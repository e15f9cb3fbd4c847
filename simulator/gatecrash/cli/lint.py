"""`gatecrash lint`: what a client did wrong against the contract or good practice, and what to do about it."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._gateway import require, talks_to_gateway
from gatecrash.cli._output import document, table
from gatecrash.cli._terminal import one_line
from gatecrash.cli._together import refuse
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.client import Sandbox

# cases of one rule that are shown; the others are alike
_SHOWN = 10

Json = dict[str, Any]


@click.command("lint")
@click.option("--final", is_flag=True, help="Nothing more will come: count what was left undone, however lately.")
@click.option(
    "--journal",
    "file",
    type=click.File(encoding="utf-8"),
    help="Read a journal that was saved, `gatecrash journal --json`, and not the gateway's; - is standard input.",
)
@click.option("--rules", is_flag=True, help="List the rules, and do no more.")
@talks_to_gateway
def command(sandbox: "Sandbox", as_json: bool, final: bool, file: TextIO | None, rules: bool) -> None:
    """Say what the client of a sandbox did wrong, by its journal, and what to do.

    Keys, retries, webhooks, cards: the rules are in docs/strict.md. An outcome that nobody asked after is told of after ten
    minutes of sandbox time, or with --final at once. `gatecrash serve --strict` notes findings as they happen.

    Exit code: 0 nothing was found, 1 something was, 2 the set-up is wrong.
    """
    if rules:
        refuse(["final", "file"], "with --rules", "the rules are listed, and no journal is read")
        _list_rules(as_json)
        return
    if file is None:
        require(sandbox)
    report = sandbox.lint(final=final) if file is None else _lint_file(file, final)
    if as_json:
        document(report)
    else:
        whose = f"sandbox {sandbox.name}" if file is None else file.name
        _tell(report["data"], f"{counted(report['entries'], 'entry', 'entries')} of the journal of {whose}", report["has_more"])
    sys.exit(1 if report["data"] else 0)


def _tell(findings: list[Json], searched: str, has_more: bool) -> None:
    if not findings:
        click.echo(f"Nothing found in {searched}.")
        return
    by_rule: dict[str, list[Json]] = {}
    for finding in findings:
        by_rule.setdefault(finding["rule"], []).append(finding)
    for rule, cases in by_rule.items():
        click.echo(f"{click.style(rule, fg='red', bold=True)}: {cases[0]['says']}")
        for case in cases[:_SHOWN]:
            about = f"order {case['order_id']}" if case["order_id"] else None
            where = (f"#{case['seq']}", case["operation"], about, case["request_id"])
            click.echo(f"  {one_line('  '.join(part for part in where if part))}\n      {one_line(case['detail'])}")
        if len(cases) > _SHOWN:
            click.echo(f"  … and {len(cases) - _SHOWN} more; --json has them all")
        click.echo(f"  {click.style('→', bold=True)} {cases[0]['advice']}\n")
    count = counted(len(findings), "finding")
    click.echo(f"{'More than ' if has_more else ''}{count} of {counted(len(by_rule), 'rule')} in {searched}.")


def _list_rules(as_json: bool) -> None:
    from gatecrash.lint import RULES

    if as_json:
        document([{"rule": rule.code, "says": rule.says, "advice": rule.advice} for rule in RULES])
    else:
        table(("rule", "what the client did"), [(rule.code, rule.says) for rule in RULES], empty="")


def _lint_file(file: TextIO, final: bool) -> Json:
    from gatecrash.lint import lint

    entries = _entries(file)
    try:
        now = None if final or not entries else entries[-1]["at"]
        findings = lint(entries, now)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_journal(file, f"it has entries of another shape: {error!r}") from error
    return {"data": [finding._asdict() for finding in findings], "has_more": False, "entries": len(entries)}


def _entries(file: TextIO) -> list[Json]:
    """A JSON array of entries, the answer of GET /_gatecrash/journal, or one entry a line."""
    try:
        text = file.read()
        try:
            read = json.loads(text)
        except json.JSONDecodeError:
            read = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:  # no JSON either way, or no UTF-8
        raise _no_journal(file, f"it is not JSON: {error}") from error
    if isinstance(read, dict):
        read = read["data"] if isinstance(read.get("data"), list) else [read]
    if not isinstance(read, list) or not _all_entries(read):
        raise _no_journal(file, "its entries have no seq, at and kind")
    return read


def _all_entries(read: Iterable[Any]) -> bool:
    return all(isinstance(entry, dict) and entry.keys() >= {"seq", "at", "kind"} for entry in read)


def _no_journal(file: TextIO, why: str) -> WrongUse:
    return WrongUse(f"--journal was {file.name}, which is no journal: {why}; save one with `gatecrash journal --json`.")
