"""`gatecrash serve`: the gateway, under a supervisor that restarts it when it crashes."""

import json
import os
import secrets
import shutil
import stat
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from gatecrash import files
from gatecrash.cli._values import PORT


@click.command("serve")
@click.option(
    "--port",
    type=PORT,
    default=8402,
    show_default=True,
    envvar="GATECRASH_PORT",
    help="Port of the native dialect and the control API; 0 picks free ports for all dialects.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="GATECRASH_HOST",
    help="Address to listen on; one loopback stands for both, 127.0.0.1 and ::1.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("gatecrash-data"),
    show_default=True,
    envvar="GATECRASH_DATA",
    help="Folder that keeps the state.",
)
@click.option(
    "--memory",
    is_flag=True,
    envvar="GATECRASH_MEMORY",
    help="Keep the state only as long as the gateway runs; it still survives a crash.",
)
@click.option("--seed", default="0", show_default=True, envvar="GATECRASH_SEED", help="Same seed, same ids and choices.")
@click.option(
    "--url-file",
    type=click.Path(path_type=Path),
    envvar="GATECRASH_URL_FILE",
    help='Once ready, write {"native": URL, …} here.',
)
@click.option(
    "--allow-host",
    multiple=True,
    envvar="GATECRASH_ALLOW_HOST",
    metavar="NAME",
    help="Let webhooks go to this host outside loopback and private addresses; repeatable.",
)
@click.option(
    "--webhook-ca",
    type=click.Path(path_type=Path),
    envvar="GATECRASH_WEBHOOK_CA",
    metavar="FILE",
    help="Certificates (PEM) that https receivers of webhooks may show, besides what the system trusts.",
)
@click.option(
    "--server-name",
    multiple=True,
    envvar="GATECRASH_SERVER_NAME",
    metavar="NAME",
    help="Answer to this name in Host, besides addresses, localhost and names that no public DNS has; repeatable.",
)
@click.option(
    "--strict",
    is_flag=True,
    envvar="GATECRASH_STRICT",
    help="Note in the journal what clients do wrong; `gatecrash lint` lists it.",
)
@click.option(
    "--with-stdin",
    is_flag=True,
    envvar="GATECRASH_WITH_STDIN",
    help="Stop when standard input, a pipe, ends: for programs that start a gateway and must not leave it behind.",
)
@click.option(
    "--control-token",
    envvar="GATECRASH_CONTROL_TOKEN",
    metavar="TOKEN",
    help="The control API wants this in Gatecrash-Control-Token. On any --host but loopback it wants one in any case: this, or "
    "one that is made up and printed.",
)
def command(
    port: int,
    host: str,
    data: Path,
    memory: bool,
    seed: str,
    url_file: Path | None,
    allow_host: tuple[str, ...],
    webhook_ca: Path | None,
    server_name: tuple[str, ...],
    strict: bool,
    with_stdin: bool,
    control_token: str | None,
) -> None:
    """Run the gateway: no account, no network, no token.

    Any key of the form sk_test_NAME opens a sandbox of its own, so there is nothing to set up.

    Exit code: 0 when it was stopped, 1 when it died before it was ready, 2 when the set-up is wrong.
    """
    allow_hosts = frozenset(name.lower() for name in allow_host)
    given_data = click.get_current_context().get_parameter_source("data")
    if memory and given_data is not ParameterSource.DEFAULT:
        where = " (GATECRASH_DATA)" if given_data is ParameterSource.ENVIRONMENT else ""
        sys.exit(_fail(f"--memory keeps no state, and --data{where} was {data}, where to keep it; give one of the two."))
    server_names = frozenset(name.lower() for name in server_name)
    status = _serve(
        port, host, data, memory, seed, url_file, allow_hosts, webhook_ca, server_names, strict, with_stdin, control_token
    )  # fmt: skip
    sys.stdout.flush()
    sys.exit(status)


def _serve(
    port: int,
    host: str,
    data: Path,
    memory: bool,
    seed: str,
    url_file: Path | None,
    allow_hosts: frozenset[str],
    webhook_ca: Path | None,
    server_names: frozenset[str],
    strict: bool,
    with_stdin: bool,
    control_token: str | None,
) -> int:
    if with_stdin and not _is_pipe(0):
        return _fail("--with-stdin needs a pipe as standard input; whoever starts the gateway holds its other end.")
    if url_file is not None:
        if not url_file.parent.is_dir():
            return _fail(f"--url-file was {url_file}, in a folder that does not exist; create {url_file.parent} first.")
        try:
            url_file.unlink(missing_ok=True)
        except OSError as error:
            return _fail(f"--url-file was {url_file}, which cannot be written anew: {error.strerror}; give another file.")
    # heavy: kept until the flags are known to be good
    from gatecrash.server import guard
    from gatecrash.webhooks import certificates

    if control_token is not None and not guard.is_token(control_token):
        return _fail(
            f"--control-token was {len(control_token)} characters; expected {guard.TOKEN_MIN} or more of visible ASCII, without "
            "blanks, such as `openssl rand -hex 16` prints."
        )
    if webhook_ca is not None:
        try:
            webhook_ca = certificates.checked(webhook_ca)
        except ValueError as error:
            return _fail(f"--webhook-ca {error}")
    for name in server_names:
        if not guard.is_server_name(name):
            return _fail(
                f"--server-name was {name!r}; expected a host name without scheme and port, such as gateway.example.com."
            )
    made_up = secrets.token_urlsafe(24) if control_token is None and not guard.is_loopback(host) else None
    if memory:
        try:
            data = files.scratch()
        except files.NoScratch as error:
            return _fail(f"--memory: {str(error).removesuffix('.')}, or give --data instead.")
    else:
        try:
            files.make_folder(data)
        except OSError as error:
            return _fail(f"--data was {data}, which cannot be a folder: {error.strerror}; give one that this user may write.")
        if not os.access(data, os.W_OK | os.X_OK):
            return _fail(f"--data was {data}, which this user may not write; give another folder, or mend its rights.")
    from gatecrash.client.http import url_of
    from gatecrash.server.serving import Settings
    from gatecrash.server.supervisor import Supervisor

    def announce(ports: dict[str, int]) -> None:
        urls = {dialect: url_of(host, number) for dialect, number in ports.items()}
        if url_file is not None:
            files.replace(url_file, json.dumps(urls).encode() + b"\n")
        kept = "in memory, gone when it stops" if memory else f"in {data}"
        print(f"Gatecrash is ready at {urls['native']} (state {kept})")
        for dialect, url in urls.items():
            if dialect != "native":
                print(f"  {dialect}: {url}")
        if made_up is not None:
            print(f"  control API: beyond loopback it needs the header `{guard.TOKEN_HEADER}: {made_up}`")
        print(f"  {urls['native']}/ says where everything is, {urls['native']}/docs shows the API to browse")
        print(f"  try: curl {urls['native']}/v1/charges -H 'Authorization: Bearer sk_test_me'", flush=True)

    settings = Settings(
        host, {"native": port}, data, durable=not memory, seed=seed, allow_hosts=allow_hosts,
        lifeline=0 if with_stdin else None, control_token=control_token or made_up, strict=strict, server_names=server_names,
        webhook_ca=webhook_ca,
    )  # fmt: skip
    try:
        return Supervisor(settings, announce).serve()
    finally:
        if memory:
            shutil.rmtree(data, ignore_errors=True)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _fail(message: str) -> int:
    print(f"gatecrash: {message}", file=sys.stderr)
    return 2
