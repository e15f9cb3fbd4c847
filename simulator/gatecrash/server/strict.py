"""Strict mode: what a client does wrong is noted in the journal, behind the entry that shows it; and a look at all of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from gatecrash.lint import Finding, Linter

if TYPE_CHECKING:
    from gatecrash.server.journal import Journal
    from gatecrash.server.sandbox import Sandbox
    from gatecrash.server.state import State

_decode = msgspec.json.Decoder().decode
_decode_many = msgspec.json.Decoder(list[dict[str, Any]]).decode
# entries read at once: between two reads others have their turn
_PAGE = 1000


def caught_up(chunks: Iterable[str]) -> Linter:
    """A linter that has seen a journal, given in arrays of entries."""
    linter = Linter()
    for chunk in chunks:
        for entry in _decode_many(chunk):
            linter.see(entry)
    return linter


def noticed(sandbox: "Sandbox", entry: bytes) -> list[dict[str, Any]]:
    """What to note behind an entry of a strict sandbox's journal, which is its last."""
    linter = sandbox.linter
    if linter is None:
        return []
    if linter.seq != sandbox.journal_length - 1:  # the journal began anew
        linter = sandbox.linter = Linter()
    return [
        {name: value for name, value in finding._asdict().items() if name not in ("says", "advice", "seq")}
        | {"about": finding.seq}
        for finding in linter.see(_decode(entry))
    ]


async def be_strict(state: "State", sandbox: "Sandbox", on: bool) -> None:
    """Turn strict mode on or off, for good. What came before it was on is known to it, and not noted."""
    if on and sandbox.linter is None:
        linter = Linter()
        await _go_through(state.journal, sandbox, linter)
        sandbox.linter = linter
    elif not on:
        sandbox.linter = None
    state.journal.touch(sandbox)
    await state.run(sandbox, lambda ctx: None)


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
