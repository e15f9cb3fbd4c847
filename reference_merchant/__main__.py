"""`python -m reference_merchant`: run the shop as a process of its own.

Every flag has its environment variable (`--gateway-url` is GATEWAY_URL). A setting that is wrong is told in
one line, with exit status 2. SIGTERM and SIGINT stop it in good order; SIGKILL is survived, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from .config import Config, ConfigError, load, texts


def main() -> int:
    """Run until told to stop; the exit status."""
    try:
        if texts(sys.argv[1:], os.environ).get("mutant") == "list":
            from . import mutants

            print(mutants.table())
            return 0
        config = load(sys.argv[1:], os.environ)
        asyncio.run(serve(config))
    except ConfigError as error:
        print(f"reference_merchant: {error}", file=sys.stderr)
        return 2
    return 0


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. ConfigError if the database or the port cannot be had."""
    import logging
    import sqlite3

    from aiohttp import web

    from .app import create_app
    from .errors import JsonRunner
    from .request_log import JsonLines

    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    try:
        app = create_app(config)
    except sqlite3.Error as error:
        raise ConfigError(f"DATABASE (--database): cannot open {config.database!r}: {error}") from None
    # without an access log, which would hold what clients write into paths
    runner = JsonRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"HOST, PORT (--host, --port): cannot listen on {config.host}:{config.port}: {reason}") from None
        host = f"[{config.host}]" if ":" in config.host else config.host
        url = f"http://{host}:{runner.addresses[0][1]}"
        if config.url_file:
            announce(Path(config.url_file), url)
        print(f"reference merchant at {url}", flush=True)
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


def announce(path: Path, url: str) -> None:
    """Write `{"merchant": URL}`, whole or not at all. ConfigError if the file cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps({"merchant": url}) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"URL_FILE (--url-file): cannot write {str(path)!r}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
