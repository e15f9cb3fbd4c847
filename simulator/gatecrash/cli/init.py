"""`gatecrash init`: a commented merchant.toml to begin with."""

import json
import shlex
import sys
from pathlib import Path

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._together import refuse

# option → what is asked, and what is meant when nothing is said
_QUESTIONS = {
    "name": ("What shall reports call your merchant?", "my-shop"),
    "start": ("What starts it, in the foreground? Leave empty if it runs already. {port} is where it must listen", ""),
    "ready": ("Which path answers 2xx once it serves?", "/healthz"),
    "order_path": ("Where does a customer place an order (POST)?", "/orders"),
    "pay_path": ("Where does the page send the nonce to pay (POST)?", "/create-payment"),
    "read_path": ("Where can the order be read (GET)?", "/orders/{order_id}"),
    "fulfilments": (
        "Where does its page say how often it was shipped (a JSON Pointer such as /shipped)? Leave empty if it does not: then "
        "nobody judges whether it ships twice",
        "",
    ),
    "webhook_path": ("Where does it take webhooks? Leave empty if it takes none", "/webhooks/payment"),
}
_URL = ("Where does it run?", "http://127.0.0.1:8000")


@click.command(name="init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("merchant.toml"))
@click.option("--name", help="What reports call the merchant.")
@click.option("--start", metavar="COMMAND", help="What starts it; '' if it runs already.")
@click.option("--runs-at", "url", metavar="URL", help="Where it runs, if it runs already.")
@click.option("--ready", metavar="PATH", help="Answers 2xx once it serves.")
@click.option("--order-path", metavar="PATH", help="Where an order is placed.")
@click.option("--pay-path", metavar="PATH", help="Where it is paid.")
@click.option("--read-path", metavar="PATH", help="Where it is read.")
@click.option("--fulfilments", metavar="POINTER", help="Where its page says how often it was shipped; '' if it does not.")
@click.option("--webhook-path", metavar="PATH", help="Where webhooks go; '' for none.")
@click.option("--yes", is_flag=True, help="Ask nothing; take what is usual for what no flag says.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(file: Path, url: str | None, yes: bool, force: bool, **given: str | None) -> None:
    """Write a profile for your merchant into FILE, by asking, or from flags.

    Exit code: 0 when it was written, 2 when it could not be, 130 when it was interrupted.
    """
    from gatecrash.harness.merchant_profile import ProfileError, parse

    if given["start"]:
        refuse(["url"], "with --start", "a merchant that is started listens where it is told to")
    if file.exists() and not force:
        raise WrongUse(f"init: {file} is there already; --force writes over it, or name another file")
    ask = not yes and sys.stdin.isatty()
    if url is not None and given["start"] is None:
        given["start"] = ""
    said = {option: _answer(question, usual, given[option], ask) for option, (question, usual) in _QUESTIONS.items()}
    if not said["start"] and url is None:
        url = _answer(*_URL, None, ask)
    text = _render(file, said, url)
    try:
        parse(text, file)
        file.write_text(text, encoding="utf-8")
    except (ProfileError, ValueError) as error:
        raise WrongUse(f"init: that makes no profile: {error}") from error
    except OSError as error:
        raise WrongUse(f"init: {file} cannot be written: {error.strerror}") from error
    click.echo(f"{file} is written. Read it through, mend what differs, then: gatecrash check {file}")
    _ignore(file.resolve().parent)


#: Files that Gatecrash writes into the folder that it is run in. The folders that it makes have a `.gitignore` of their own.
_WRITTEN = ("gatecrash-checkpoint.json",)


def _ignore(folder: Path) -> None:
    """Have Git leave out what we write, where the folder is in a repository."""
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return
    path = folder / ".gitignore"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        missing = [line for line in _WRITTEN if line not in text.splitlines()]
        if missing:
            gap = "" if not text or text.endswith("\n") else "\n"
            path.write_text("\n".join([text + gap + missing[0], *missing[1:], ""]), encoding="utf-8")
            click.echo(f"{path.name}: added {' and '.join(missing)}, which Gatecrash writes")
    except (OSError, UnicodeDecodeError) as error:
        click.echo(f"{path.name} is as it was ({error}); add these lines to it: {', '.join(_WRITTEN)}", err=True)


def _answer(question: str, usual: str, given: str | None, ask: bool) -> str:
    if given is not None:
        return given
    return str(click.prompt(question, default=usual, show_default=bool(usual))) if ask else usual


def _render(file: Path, said: dict[str, str], url: str | None) -> str:
    from gatecrash.harness import merchant_profile

    template = (Path(merchant_profile.__file__).parent / "pages" / "merchant.toml").read_text(encoding="utf-8")
    values = {
        "FILE": str(file), "NAME": _toml(said["name"]), "READY": _toml(said["ready"]), "ORDER_PATH": _toml(said["order_path"]),
        "PAY_PATH": _toml(said["pay_path"]), "READ_PATH": _toml(said["read_path"]),
        "FULFILMENTS": _fulfilments(said["fulfilments"]),
        "START": _start(said["start"]) if said["start"] else _running(url or ""), "WEBHOOKS": _webhooks(said["webhook_path"]),
    }  # fmt: skip
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def _start(start: str) -> str:
    try:
        words = shlex.split(start)
    except ValueError as error:
        raise WrongUse(f"init: --start was {start!r}: {error}; quote it as in a shell") from error
    return f"""\
# How to start it: it must stay in the foreground and listen on 127.0.0.1:{{port}}.
[start]
command = [{", ".join(map(_toml, words))}]
cwd = "."                       # relative to this file

# Added to the environment. The names are your merchant's own.
[start.env]
PORT = "{{port}}"
GATEWAY_URL = "{{gateway_url}}"
GATEWAY_SECRET_KEY = "{{secret_key}}"
GATEWAY_PUBLISHABLE_KEY = "{{publishable_key}}"
WEBHOOK_SECRET = "{{webhook_secret}}"
DATABASE = "{{scratch}}/shop.sqlite"   # a folder of its own for each run, so that every story begins with an empty shop
"""


def _running(url: str) -> str:
    return f"""\
# It runs already, so stories that kill it are left out. Configure it for the gateway below: http://127.0.0.1:8402,
# keys sk_test_story and pk_test_story.
url = {_toml(url)}
# reset = ["make", "empty-database"]   # run before each story

[gateway]
port = 8402
sandbox = "story"
"""


def _fulfilments(pointer: str) -> str:
    if pointer:
        return f"fulfilments = {_toml(pointer)}      # a number or a list: how often it was shipped"
    return """\
# Without fulfilments nobody judges whether an order ships twice (S4), or is paid and never ships (L4); `gatecrash check` proposes
# a line where the answer has something like it.
# fulfilments = "/fulfilments"  # a number or a list: how often it was shipped"""


def _webhooks(path: str) -> str:
    return f"# Where the gateway's webhooks go.\n[webhooks]\npath = {_toml(path)}\n" if path else "# It takes no webhooks.\n"


def _toml(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)
