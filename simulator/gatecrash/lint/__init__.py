"""What a client does wrong, read from the journal: a table of small rules, and one who goes through a journal with them.

Knows nothing of the gateway but the shape of its journal, so it works in the gateway and on a journal in a file alike.
"""

from gatecrash.lint.linter import Finding, Linter, lint
from gatecrash.lint.rules import RULES, Rule

__all__ = ["RULES", "Finding", "Linter", "Rule", "lint"]
