"""A program's way to a gateway that runs: the handle of a sandbox over plain, synchronous HTTP. Imports nothing heavy."""

from gatecrash.client.errors import GatewayError, GatewayUnreachable, WaitTimeout
from gatecrash.client.http import Http
from gatecrash.client.sandbox import Sandbox

__all__ = ["GatewayError", "GatewayUnreachable", "Http", "Sandbox", "WaitTimeout"]
