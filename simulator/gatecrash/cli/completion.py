"""`gatecrash completion`: the script that has a shell complete verbs and options."""

import click
from click.shell_completion import get_completion_class

from gatecrash.cli._failed import WrongUse

#: How a shell has the script read at each start.
_SETUP = {
    "bash": 'eval "$(gatecrash completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(gatecrash completion zsh)"   in ~/.zshrc, after compinit',
    "fish": "gatecrash completion fish | source   in ~/.config/fish/config.fish",
}


class _Completion(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("To have it at each start"):
            formatter.write_dl(list(_SETUP.items()))


@click.command("completion", cls=_Completion)
@click.argument("shell", type=click.Choice(list(_SETUP)))
def command(shell: str) -> None:
    """Print the script that has SHELL complete the verbs and options of gatecrash."""
    made = get_completion_class(shell)
    if made is None:  # pragma: no cover - click brings these three
        raise WrongUse(f"completion: the installed click has no completion for {shell}; upgrade it.")
    root = click.get_current_context().find_root()
    click.echo(made(root.command, {}, "gatecrash", "_GATECRASH_COMPLETE").source())
