"""The command line: one file a verb, loaded only when its verb is called."""

import errno
import os
import sys
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import click

from gatecrash import __version__
from gatecrash.cli._terminal import CleanOutput
from gatecrash.files import NoScratch

# what it is for → verb → one line for the overview
GROUPS: dict[str, dict[str, str]] = {
    "Begin": {
        "demo": "The product in a minute: failure stories against a naive and a careful merchant.",
        "serve": "Run the gateway.",
        "explain": "What a code means and what to do: errors, declines, stations, kinds, oracles, stories.",
        "completion": "Have bash, zsh or fish complete verbs and options.",
    },
    "Judge a merchant": {
        "init": "Write a merchant.toml for your merchant.",
        "check": "Whether a merchant.toml works: start, order, pay and read, step by step.",
        "stories": "The failure stories: what breaks, what must hold, what each catches.",
        "prove": "Every failure story against your merchant, judged against the gateway's books.",
        "replay": "A failure that prove has found, once more.",
        "mutants": "Which stories catch which known bugs: a shop that is wrong on purpose, judged.",
    },
    "Break and move a running gateway": {
        "faults": "What breaks, where and when: add, list and remove fault rules.",
        "clock": "A sandbox's time: show, freeze, advance, scale.",
        "trigger": "Make an event happen, by doing what causes it.",
        "seed": "Make many objects at once, from a file; a second run makes nothing.",
        "sandboxes": "List, reset, snapshot and restore sandboxes.",
    },
    "Watch a running gateway": {
        "listen": "Webhooks, as they come: verified, printed, forwarded to your app.",
        "events": "What happened, and whether it was told; tell it again.",
        "journal": "What was asked, answered, sent and broken, in order.",
        "books": "The gateway's own truth of the money.",
        "lint": "What the client did wrong: keys, retries, webhooks, cards; and what to do.",
    },
}
VERBS = {verb: line for verbs in GROUPS.values() for verb, line in verbs.items()}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"gatecrash.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        wide = max(map(len, VERBS))
        for purpose, verbs in GROUPS.items():
            with formatter.section(purpose):
                formatter.write_dl([(verb.ljust(wide), line) for verb, line in verbs.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Who stops reading (`| head`) or presses Ctrl-C has had what they wanted: no message, no traceback."""
        if "NO_COLOR" in os.environ:
            ctx.color = False
        if any(name.startswith("GATECRASH_") for name in os.environ):
            from gatecrash.cli._environment import unread

            if (told := unread(os.environ)) is not None:
                click.echo(told, err=True)
        try:
            with redirect_stdout(CleanOutput(sys.stdout)):
                return super().invoke(ctx)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is still buffered has nobody to go to
            ctx.exit(0)
        except (KeyboardInterrupt, click.Abort):  # the latter at a question
            ctx.exit(130)
        except NoScratch as error:
            click.echo(f"gatecrash: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is still buffered has nowhere to go
            click.echo(
                "gatecrash: cannot write the output: no space is left on its device; make some, or write elsewhere.", err=True
            )
            ctx.exit(1)


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gatecrash")
def main() -> None:
    """A payment gateway that fails on purpose, and a harness that proves your merchant survives it.

    Exit code: 0 done, 1 the answer is no, or what was asked for failed, 2 the set-up or the usage is wrong, 130 interrupted.
    """
