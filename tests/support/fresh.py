"""A process of its own for what changes a whole process: the clock, randomness, databases."""

import os
import subprocess
import sys
import textwrap


def printed_by(code: str, **environment: str) -> str:
    """What a fresh interpreter printed that ran this; its errors are the test's."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env={**os.environ, **environment}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
