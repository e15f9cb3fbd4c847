"""Bugs of secrets: rotated too hard, kept too long, or written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import signatures
from ..decisions import Json
from .mutant import Mutant

if TYPE_CHECKING:
    from aiohttp import web


class OneSecret(Mutant):
    """Knows no overlap while a secret is rotated: one secret, and the first signature of the header."""

    violates = ("L3",)
    exposed_by = "rotation"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        first = {**headers, "webhook-signature": headers.get("webhook-signature", "").partition(" ")[0]}
        lowered = {name.lower(): value for name, value in first.items()}
        return signatures.verify(lowered, raw, self.config.webhook_secrets[:1], now, self.config.webhook_tolerance_s)


class OldSecret(Mutant):
    """Accepts a secret that has retired."""

    violates = ("S6",)
    exposed_by = "forged with the old secret"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        for_ever = [secret.partition("@")[0] for secret in self.config.webhook_secrets]
        return signatures.verify(headers, raw, for_ever, now, self.config.webhook_tolerance_s)


class PanLog(Mutant):
    """Logs what it is sent, card numbers and nonces included."""

    violates = ("S9",)
    exposed_by = "canary card"

    async def log_entry(self, entry: Json, request: web.Request) -> Json:
        return {**entry, "body": (await request.read()).decode(errors="replace")}
