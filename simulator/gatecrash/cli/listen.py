"""`gatecrash listen`: webhooks as they come: verified, printed, handed on to an app."""

import json
import queue
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from gatecrash.cli._failed import Failed, WrongUse
from gatecrash.cli._gateway import talks_to_gateway
from gatecrash.cli._output import json_line, note
from gatecrash.cli._terminal import one_line
from gatecrash.cli._together import refuse

if TYPE_CHECKING:
    from gatecrash.cli._receiver import Answered, Arrived, Forward
    from gatecrash.client import Sandbox

# how an endpoint of ours is known, to itself and to a later `listen`
_DESCRIPTION = "gatecrash listen"
_LOOK_AFTER_S = 1.0
_GONE = 410


@click.command("listen")
@click.option("--forward-to", metavar="URL", help="Hand webhooks on to this URL, and its answers back to the gateway.")
@click.option("--events", multiple=True, metavar="TYPES", help="Only these, such as charge.*,refund.failed; repeatable.")
@click.option("--answer", type=click.IntRange(200, 599), default=200, show_default=True, help="The answer, when not forwarding.")
@click.option("--print-secret", is_flag=True, help="Print the signing secret, and nothing more.")
@click.option("--skip-verify", is_flag=True, help="Forward to an https URL whoever certifies it.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address at which the gateway reaches this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="The port to receive at; 0 picks one.")
@talks_to_gateway
def command(
    sandbox: "Sandbox",
    as_json: bool,
    forward_to: str | None,
    events: tuple[str, ...],
    answer: int,
    print_secret: bool,
    skip_verify: bool,
    host: str,
    port: int,
) -> None:
    """Receive the webhooks of a sandbox, verify their signatures, print a line for each, and forward them unchanged.

    The signing secret is the same at every start: it depends on the sandbox's name alone, so an app can be configured
    with it before. The endpoint is there as long as this runs; Ctrl-C ends it, with exit code 0.

    \b
    gatecrash listen --forward-to http://127.0.0.1:3000/webhooks --events 'charge.*'
    export WEBHOOK_SECRET=$(gatecrash listen --print-secret)
    """
    from gatecrash.core.endpoints import secret_by_name

    secret = secret_by_name(sandbox.name)
    if forward_to is not None:
        refuse(["answer"], "with --forward-to", "the gateway gets the answer of the app")
    else:
        refuse(["skip_verify"], "without --forward-to", "there is no certificate to verify")
    if print_secret:
        receiving = ["forward_to", "events", "answer", "skip_verify", "host", "port"]
        refuse(receiving, "with --print-secret", "the secret is printed, and nothing is received")
        if as_json:
            json_line({"secret": secret})
        else:
            click.echo(secret)
        return
    from gatecrash.cli._receiver import Answered, Forward, Receiver

    try:
        forward = None if forward_to is None else Forward(forward_to, verify=not skip_verify)
    except ValueError as error:
        raise WrongUse(str(error)) from error
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def take(arrived: "Arrived") -> "Answered":
        answered = Answered(answer) if forward is None else forward(arrived)
        told.put(report(arrived, answered, flaw_of(arrived, secret, time.time()), forward))
        return answered

    try:
        receiver = Receiver(host, port, take)
    except OSError as error:
        raise WrongUse(f"nothing can listen at {host} port {port}: {error.strerror}; give another --host or --port.") from error
    types = [name.strip() for given in events for name in given.split(",") if name.strip()] or ["*"]
    endpoint = Endpoint(sandbox, receiver.url, types, secret)
    with receiver:
        threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True).start()
        for each in (signal.SIGTERM, signal.SIGHUP):  # a polite kill, or a terminal that is closed, tidies up as Ctrl-C does
            signal.signal(each, signal.default_int_handler)
        try:
            endpoint.register()
            whither = f", forwarding to {forward.url}" if forward else f", answering {answer}"
            note(f"listening to {', '.join(types)} of sandbox {sandbox.name} at {sandbox.url}{whither}")
            note(f"the signing secret is {secret}")
            _print_until_interrupted(told, endpoint, json_line if as_json else _tell)
        except KeyboardInterrupt:
            pass
        finally:
            endpoint.remove()
            receiver.shutdown()


def _print_until_interrupted(
    told: "queue.SimpleQueue[dict[str, Any]]", endpoint: "Endpoint", tell: Callable[[dict[str, Any]], None]
) -> None:
    seen: Counter[str] = Counter()
    look_after = time.monotonic() + _LOOK_AFTER_S
    while True:
        try:
            line = told.get(timeout=max(0.0, look_after - time.monotonic()))
        except queue.Empty:
            if endpoint.look_after():
                seen.clear()
            look_after = time.monotonic() + _LOOK_AFTER_S
            continue
        seen[line["id"]] += 1
        line["times_seen"] = seen[line["id"]]
        tell(line)
        if line["answer"]["status"] == _GONE:
            raise Failed("the app answered 410, upon which the gateway disables the endpoint; nothing more would come.")


class Endpoint:
    """The webhook endpoint of one `listen`, kept in being over restarts and resets of the gateway."""

    def __init__(self, sandbox: "Sandbox", url: str, events: list[str], secret: str) -> None:
        self._sandbox, self._url, self._events, self._secret = sandbox, url, events, secret
        self._id: str | None = None
        self._mark: dict[str, Any] = {}
        self._gone = False

    def register(self) -> None:
        """Make it, in place of any that an earlier `listen` could not take away."""
        for left in self._sandbox.webhooks.list():
            if left["description"] == _DESCRIPTION and not _someone_listens_at(left["url"]):
                self._sandbox.webhooks.delete(left["id"])
        body = {"url": self._url, "events": self._events, "description": _DESCRIPTION, "secret": self._secret}
        self._id = self._sandbox.request("POST", "/v1/webhook_endpoints", body)["id"]
        self._mark = self._sandbox.journal(kind="request")[-1]

    def look_after(self) -> bool:
        """Make it anew if it is gone; whether it was.

        That is known from the journal, which can be read without passing a station where a fault rule counts.
        """
        from gatecrash.client import GatewayError, GatewayUnreachable

        after, renewed = self._mark["seq"] - 1, False
        try:
            there = self._sandbox.request("GET", f"/_gatecrash/journal?after={after}&limit=1&kind=request")["data"]
            renewed = there != [self._mark] and self._renew()
        except GatewayUnreachable:
            if not self._gone:
                note(f"the gateway at {self._sandbox.url} is gone; waiting for it to come back")
            self._gone = True
        except GatewayError as error:
            note(f"the endpoint could not be looked after: {error}")
        else:
            if self._gone:
                note("the gateway is back")
            self._gone = False
        return renewed

    def _renew(self) -> bool:
        """The sandbox is not what it was: reset, restored, or of another gateway."""
        if any(endpoint["id"] == self._id and endpoint["url"] == self._url for endpoint in self._sandbox.webhooks.list()):
            self._mark = self._sandbox.journal(kind="request")[-1]
            return False
        self.register()
        note(f"sandbox {self._sandbox.name} began anew; listening again")
        return True

    def remove(self) -> None:
        """Take it away, if there is still a gateway that knows it."""
        from gatecrash.client import GatewayError, GatewayUnreachable

        if self._id is None:
            return
        try:
            self._sandbox.webhooks.delete(self._id)
        except (GatewayError, GatewayUnreachable):
            return


def _someone_listens_at(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), 0.5).close()
    except OSError:
        return False
    return True


def flaw_of(arrived: "Arrived", secret: str, now: float) -> str | None:
    """Why an app should not trust it; None if it should."""
    from gatecrash.client.catch import flaw

    if not arrived.whole:
        return "it was cut short"
    return flaw({name.lower(): value for name, value in arrived.headers}, arrived.body, [secret], now)


def report(arrived: "Arrived", answered: "Answered", flaw: str | None, forward: "Forward | None") -> dict[str, Any]:
    """What is told of a webhook; `event` is its body, if that is JSON."""
    try:
        event = json.loads(arrived.body)
    except ValueError:
        event = None
    known = event if isinstance(event, dict) else {}
    data = known.get("data")
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "id": arrived.header("webhook-id") or known.get("id"),
        "type": known.get("type"),
        "order_id": data.get("order_id") if isinstance(data, dict) else None,
        "flaw": flaw,
        "forwarded_to": forward.url if forward else None,
        "answer": {"status": answered.status, "ms": answered.ms, "error": answered.error},
        "event": event,
    }


def _tell(line: dict[str, Any]) -> None:
    answer = line["answer"]
    good = 200 <= answer["status"] < 300
    took = f" in {answer['ms']} ms" if line["forwarded_to"] else ""
    parts = (
        line["at"],
        one_line(str(line["type"] or "(unreadable)")),
        one_line(str(line["id"] or "(no id)")),
        f"[{one_line(str(line['order_id']))}]" if line["order_id"] else "",
        click.style(f"→ {answer['status']}{took}", fg="green" if good else "red"),
        one_line(answer["error"] or ""),
        "" if line["times_seen"] == 1 else click.style(f"seen {line['times_seen']} times", fg="yellow"),
        click.style(f"NOT TO BE TRUSTED: {one_line(line['flaw'])}", fg="red") if line["flaw"] else "",
    )
    click.echo("  ".join(part for part in parts if part))
