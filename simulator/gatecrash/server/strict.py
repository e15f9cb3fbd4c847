"""Strict mode: what a client does wrong is noted in the journal, behind the entry that shows it; and a look at all of it."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from gatecrash.lint import Finding, Linter

if TYPE_CHECKING:
    from gatecrash.server.journal import Journal
    from gatecrash.server.sandbox import Sandbox
    from gatecrash.server.state import State

_decode = msgspec.json.Decoder().decode
# entries read at once: between two reads others have their turn
_PAGE = 1000


def catch_up(journal: "Journal", sandbox: "Sandbox", known: int) -> "asyncio.Task[None]":
    """Give a sandbox a linter that reads its whole journal, a page at a time. Until then entries are read from the journal only.

    What it finds in entries up to number `known` is known already, and not noted.
    """
    linter = sandbox.linter = Linter()

    async def read() -> None:
        late: list[Finding] = []
        while sandbox.catching_up is task:
            entries, has_more = await journal.read(sandbox, linter.seq, _PAGE, None)
            for entry in entries:
                found = linter.see(_decode(entry))
                late += found if linter.seq > known else ()
            if sandbox.catching_up is task and not has_more and (not entries or linter.seq == sandbox.journal_length):
                sandbox.catching_up = None
                linter.seq = sandbox.journal_length
                for finding in late:
                    journal.note(sandbox, "finding", _noted(finding))

    task = sandbox.catching_up = asyncio.get_running_loop().create_task(read())
    return task


def noticed(sandbox: "Sandbox", entry: bytes) -> list[dict[str, Any]]:
    """What to note behind an entry of a strict sandbox's journal, which is its last."""
    linter = sandbox.linter
    if linter is None or sandbox.catching_up is not None:
        return []
    if linter.seq != sandbox.journal_length - 1:  # the journal began anew
        linter = sandbox.linter = Linter()
    return [_noted(finding) for finding in linter.see(_decode(entry))]


def _noted(finding: Finding) -> dict[str, Any]:
    fields = finding._asdict()
    return {name: value for name, value in fields.items() if name not in ("says", "advice", "seq")} | {"about": finding.seq}


async def be_strict(state: "State", sandbox: "Sandbox", on: bool) -> None:
    """Turn strict mode on or off, for good. What came before it was on is known to it, and not noted."""
    if on and sandbox.linter is None:
        state.catch_up(sandbox, sandbox.journal_length)
        await is_ready(sandbox)
    elif not on:
        sandbox.linter = sandbox.catching_up = None
    state.journal.touch(sandbox)
    await state.run(sandbox, lambda ctx: None)


async def is_ready(sandbox: "Sandbox") -> None:
    """Return once a strict sandbox has read what was in its journal."""
    if sandbox.catching_up is not None:
        await asyncio.wait((sandbox.catching_up,))


async def lint(journal: "Journal", sandbox: "Sandbox", now: str | None) -> tuple[list[Finding], int]:
    """All findings in a sandbox's journal, and how many entries it has. `now` as in `Linter.left`."""
    linter = Linter()
    findings = await _go_through(journal, sandbox, linter)
    return sorted([*findings, *linter.left(now)], key=lambda finding: finding.seq), linter.seq


async def _go_through(journal: "Journal", sandbox: "Sandbox", linter: Linter) -> list[Finding]:
    findings: list[Finding] = []
    while True:
        entries, has_more = await journal.read(sandbox, linter.seq, _PAGE, None)
        for entry in entries:
            findings += linter.see(_decode(entry))
        if not has_more:
            return findings
