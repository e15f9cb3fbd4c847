"""A gateway as a process of its own, under its supervisor: it may crash, and is up again in milliseconds."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from gatecrash import files, warm
from gatecrash.client.http import Http
from gatecrash.embedded.options import GatewayStartError, Options

_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 15.0
_LOOK_S = 0.005


class ProcessHost:
    """`gatecrash serve`, started here and gone with this process, however that ends."""

    def __init__(self, options: Options) -> None:
        self._parent = os.getpid()
        try:
            self._scratch = files.scratch()
        except files.NoScratch as error:
            raise GatewayStartError(f"Gateway(process=True): {error}") from error
        try:
            self._process = self._start(options)
            self.urls = self._ready()
        except BaseException:
            self.close()
            raise

    def _start(self, options: Options) -> warm.Forked:
        arguments = [
            *("serve", "--with-stdin"),  # the lifeline: it ends when this process does, also by SIGKILL
            *("--host", options.host, "--port", str(options.port), "--seed", options.seed),
            *("--url-file", str(self._scratch / "urls.json")),
            *(("--memory",) if options.data is None else ("--data", str(options.data))),
            *(part for name in sorted(options.allow_hosts) for part in ("--allow-host", name)),
            *(() if options.webhook_ca is None else ("--webhook-ca", str(options.webhook_ca))),
            *(part for name in sorted(options.server_names) for part in ("--server-name", name)),
        ]
        with self._log_file.open("ab") as log:
            return warm.start(arguments, env=_environment(options), cwd=self._scratch, output=log.fileno(), stdin=True)

    def _ready(self) -> dict[str, str]:
        url_file = self._scratch / "urls.json"
        give_up_at = time.monotonic() + _READY_WITHIN_S
        while not url_file.exists():
            if self._process.poll() is not None:
                raise GatewayStartError(
                    self.log().strip().removeprefix("gatecrash: ") or "the gateway ended before it was ready."
                )
            if time.monotonic() > give_up_at:
                raise GatewayStartError(f"the gateway was not ready within {_READY_WITHIN_S:g} s. Its log:\n{self.log()}")
            time.sleep(_LOOK_S)
        urls: dict[str, str] = msgspec.json.decode(url_file.read_bytes())
        return urls

    @property
    def _log_file(self) -> Path:
        return self._scratch / "gateway.log"

    def log(self) -> str:
        """What it said."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    def kill(self) -> None:
        """SIGKILL for the process that serves. Its supervisor brings it back."""
        with contextlib.closing(Http(self.urls["native"], patience_s=_READY_WITHIN_S)) as http:
            pid = msgspec.json.decode(http.request("GET", "/healthz").body)["pid"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Stop it, and kill what will not. A second time does nothing, nor does a fork of the process that started it."""
        if os.getpid() != self._parent:
            return
        process = getattr(self, "_process", None)
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process is not None and process.stdin is not None:
            process.stdin.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _environment(options: Options) -> dict[str, str]:
    """The environment of this process without what would set up a gateway; the token, which no process list shows."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATECRASH_")}
    return kept if options.control_token is None else {**kept, "GATECRASH_CONTROL_TOKEN": options.control_token}
