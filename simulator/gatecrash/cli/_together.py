"""Options that cannot go together: one of them would be ignored. They are refused in one line that says why."""

from collections.abc import Sequence

import click

from gatecrash.cli._failed import WrongUse


def is_given(name: str) -> bool:
    """Whether this option stands on the command line. A variable of the environment does not count: it is meant for all verbs."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def refuse(names: Sequence[str], beside: str, why: str) -> None:
    """Raises WrongUse for the first of these options that is given, since it would do nothing `beside` something else."""
    for name in names:
        if is_given(name):
            raise WrongUse(f"{spelt(name)} does nothing {beside}: {why}. Leave one of the two out.")


def spelt(name: str) -> str:
    """An option as it is typed: `skip_verify` is `--skip-verify`; an argument by its metavar."""
    param = next(each for each in click.get_current_context().command.params if each.name == name)
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name
