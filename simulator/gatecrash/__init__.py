"""Gatecrash: a payment gateway that fails on purpose, and a harness that proves your merchant survives it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecrash.client.aio import AsyncSandbox
    from gatecrash.client.catch import Answer, Caught, Webhook
    from gatecrash.client.errors import GatewayError, GatewayUnreachable, RuleNeverStruck, WaitTimeout
    from gatecrash.client.sandbox import Sandbox
    from gatecrash.embedded.gateway import AsyncGateway, Gateway
    from gatecrash.embedded.options import GatewayStartError

__version__ = "0.1.0"
__all__ = [
    "Answer", "AsyncGateway", "AsyncSandbox", "Caught", "Gateway", "GatewayError", "GatewayStartError", "GatewayUnreachable",
    "RuleNeverStruck", "Sandbox", "WaitTimeout", "Webhook", "__version__",
]  # fmt: skip

# where each public name comes from: looked up when it is first used, so that `import gatecrash` costs nothing
_ROOMS = {
    "Answer": "client.catch",
    "AsyncGateway": "embedded.gateway",
    "AsyncSandbox": "client.aio",
    "Caught": "client.catch",
    "Gateway": "embedded.gateway",
    "GatewayError": "client.errors",
    "GatewayStartError": "embedded.options",
    "GatewayUnreachable": "client.errors",
    "RuleNeverStruck": "client.errors",
    "Sandbox": "client.sandbox",
    "WaitTimeout": "client.errors",
    "Webhook": "client.catch",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
