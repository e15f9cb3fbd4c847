"""The command line: one file a verb, loaded only when its verb is called."""

from importlib import import_module

import click

from gatecrash import __version__

# verb → one line for the overview
VERBS = {
    "demo": "The product in a minute: failure stories against a naive and a careful merchant.",
    "serve": "Run the gateway.",
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"gatecrash.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gatecrash")
def main() -> None:
    """A payment gateway that fails on purpose, and a harness that proves your merchant survives it."""
