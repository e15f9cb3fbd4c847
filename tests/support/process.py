"""The gateway as its user runs it: `gatecrash serve`, forked from a warm parent, and waited for by its url file."""

import json
import os
import subprocess
import sys
from pathlib import Path

from gatecrash import warm
from tests.support import held
from tests.support.waiting import PATIENCE_S, written


class ServerProcess:
    """A running `serve`. `folder` holds its url file and its log; `descriptors` is how many files it may have open.

    `path`: a folder of packages that are installed for it alone. `urls`: where each dialect listens.
    """

    def __init__(self, folder: Path, *flags: str, descriptors: int | None = None, path: Path | None = None) -> None:
        self.url_file, self.log_file = folder / "urls.json", folder / "serve.log"
        self.url_file.unlink(missing_ok=True)
        # a pipe for standard input: the gateway ends with this process, however that ends
        arguments = ["serve", "--with-stdin", "--port", "0", "--url-file", str(self.url_file), *flags]
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **({} if path is None else {"PYTHONPATH": str(path)})}
        self.process: subprocess.Popen[bytes] | warm.Forked
        with self.log_file.open("ab") as log:
            if descriptors is None and path is None:
                self.process = warm.start(arguments, env=env, cwd=Path.cwd(), output=log.fileno(), stdin=True)
            else:
                limit = "" if descriptors is None else f"ulimit -n {descriptors}; "
                command = ["sh", "-c", f'{limit}exec "$@"', "sh", sys.executable, "-m", "gatecrash", *arguments]
                self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env)
        self.urls: dict[str, str] = json.loads(written(self.url_file, self.process, self.log_file))
        self.url = self.urls["native"]
        held.hold(self.url, "gateway")

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        held.let_go(self.url)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdin is not None:
                self.process.stdin.close()


class ShopProcess:
    """The reference merchant as its own process, on a gateway at `gateway_url`; `flags` are further settings of it."""

    def __init__(self, folder: Path, gateway_url: str, secret_key: str, *flags: str) -> None:
        self.database, self.log_file, url_file = folder / "shop.sqlite", folder / "shop.log", folder / "shop.json"
        command = [
            sys.executable, "-m", "reference_merchant", "--port", "0", "--database", str(self.database), "--gateway-url",
            gateway_url, "--gateway-secret-key", secret_key, "--webhook-secrets", "whsec_" + "A" * 44,
            "--url-file", str(url_file), *flags,
        ]  # fmt: skip
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.url: str = json.loads(written(url_file, self.process, self.log_file))["merchant"]
        held.hold(self.url, "merchant")

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> None:
        held.let_go(self.url)
        self.process.terminate()
        self.process.wait(PATIENCE_S)
