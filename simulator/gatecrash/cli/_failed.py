"""How a verb ends when it could not do what was asked: one line on stderr, and an exit code."""

from typing import IO, Any

import click

from gatecrash.cli._terminal import clean


class Failed(click.ClickException):
    """The answer is no, or what was asked for failed: exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gatecrash: {clean(self.message)}", file=file, err=file is None)


class WrongUse(Failed):
    """The set-up or the usage is wrong, and the message says what to do: exit code 2."""

    exit_code = 2
