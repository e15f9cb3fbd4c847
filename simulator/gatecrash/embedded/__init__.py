"""A gateway of your own, from Python: in a thread, or as a supervised process that may crash. Imports nothing heavy."""

from gatecrash.embedded.gateway import AsyncGateway, Gateway, GatewayStartError

__all__ = ["AsyncGateway", "Gateway", "GatewayStartError"]
