"""The shop's settings: one table, read from flags and the environment alike.

A setting `GATEWAY_URL` is the flag `--gateway-url`; the flag wins. Nothing heavy is imported here, so that
a mistake is told at once.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit


class ConfigError(Exception):
    """A setting is missing or wrong; the message is one line that names it and never shows a secret."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings. Durations are in seconds. Secrets stay out of `repr`."""

    gateway_url: str
    gateway_secret_key: str = field(repr=False)
    gateway_publishable_key: str = ""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    database: str = "merchant.sqlite"
    host: str = "127.0.0.1"
    port: int = 8500
    url_file: str = ""
    gateway_timeout_s: float = 5.0
    retry_base_s: float = 0.25
    retry_cap_s: float = 5.0
    retry_attempts: int = 3
    reconcile_every_s: float = 30.0
    webhook_tolerance_s: float = 300.0
    hold_s: float = 3600.0
    mutant: str = ""


def web_url(text: str) -> str:
    """An http(s) address without a query."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an address such as http://127.0.0.1:8402")
    return text.rstrip("/")


def token(text: str) -> str:
    """A key: printable, without spaces."""
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        raise ValueError("a key without spaces")
    return text


def webhook_secrets(text: str) -> tuple[str, ...]:
    """Secrets of the form `whsec_BASE64`, several separated by spaces while they are being rotated.

    One with `@UNIX_SECONDS` behind it is not accepted from then on.
    """
    for each in text.split():
        secret, at, until = each.partition("@")
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise ValueError("whsec_ and Base64; several separated by spaces") from None
        if not key:
            raise ValueError("whsec_ and Base64 of a key that is not empty: anybody could sign with an empty one")
        if at and not (until.isascii() and until.isdecimal() and len(until) < 16):
            raise ValueError("whsec_BASE64@UNTIL with UNTIL in Unix seconds")
    return tuple(text.split())


def port(text: str) -> int:
    """A TCP port; 0 picks a free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError("a port from 0 (any free one) to 65535")
    return int(text)


def seconds(text: str) -> float:
    """A duration above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise ValueError("a number of seconds above 0")
    return value


def count(text: str) -> int:
    """How often: from 1 to 100."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ValueError("a whole number from 1 to 100")
    return int(text)


Parser = Callable[[str], Any]
SETTINGS: dict[str, tuple[Parser, str]] = {
    "gateway_url": (web_url, "where the gateway is (required)"),
    "gateway_secret_key": (token, "the shop's secret key (required)"),
    "gateway_publishable_key": (
        token,
        "the publishable key; the storefront does without, through client tokens",
    ),
    "webhook_secrets": (
        webhook_secrets,
        "signing secrets, separated by spaces, each with @UNIX_SECONDS if it retires then; WEBHOOK_SECRET will do for one",
    ),
    "database": (str, "the SQLite file, or :memory: (default merchant.sqlite)"),
    "host": (str, "the address to bind (default 127.0.0.1)"),
    "port": (port, "the port; 0 picks a free one (default 8500)"),
    "url_file": (str, 'written once ready: {"merchant": URL}'),
    "gateway_timeout_s": (seconds, "patience with one call (default 5)"),
    "retry_base_s": (seconds, "the first wait before a call is repeated (default 0.25)"),
    "retry_cap_s": (seconds, "the longest such wait (default 5)"),
    "retry_attempts": (count, "calls made while the customer waits (default 3)"),
    "reconcile_every_s": (seconds, "pause between reconciliations (default 30)"),
    "webhook_tolerance_s": (seconds, "how old or early a webhook may be (default 300)"),
    "hold_s": (seconds, "how long the goods of an order are held for its payment (default 3600)"),
    "mutant": (str, "run with a known bug instead of correctly; `list` shows them"),
}
assert list(SETTINGS) == [each.name for each in fields(Config)], "every setting has a parser and a line of help"


def texts(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What was given for each setting, by flag or in the environment, as it was written."""
    given = vars(_parser().parse_args(arguments)) if arguments else {}
    found = {}
    for name in SETTINGS:
        text = given.get(name)
        if text is None:
            text = environment.get(name.upper())
        if text is None and name == "webhook_secrets":
            text = environment.get("WEBHOOK_SECRET")
        found[name] = (text or "").strip()
    return {name: text for name, text in found.items() if text}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m reference_merchant", description="A small shop that gets paid.")
    for name, (_, text) in SETTINGS.items():
        parser.add_argument("--" + name.replace("_", "-"), metavar=name.upper(), help=f"{text} [env: {name.upper()}]")
    return parser


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Settings from flags and environment; ConfigError names the first that is wrong."""
    values: dict[str, Any] = {}
    for name, text in texts(arguments, environment).items():
        parse = SETTINGS[name][0]
        try:
            values[name] = parse(text)
        except ValueError as error:
            shown = "what was given" if name in ("gateway_secret_key", "webhook_secrets") else repr(text)
            raise ConfigError(f"{name.upper()} (--{name.replace('_', '-')}): {shown} is not {error}") from None
    for name in ("gateway_url", "gateway_secret_key"):
        if name not in values:
            raise ConfigError(f"{name.upper()} (--{name.replace('_', '-')}) is required: {SETTINGS[name][1]}")
    return Config(**values)
