"""A local HTTP server to be told webhooks by: over IPv4 or IPv6, without a look at any name server."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer

from gatecrash.client.http import url_of

__tracebackhide__ = True  # pytest shows the line of the test instead


class Listener(HTTPServer):
    """Listens from the start; `url` has no path. Raises OSError where nothing can listen."""

    request_queue_size = 128

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)
        self.url = url_of(host, self.server_port)

    def server_bind(self) -> None:
        # HTTPServer's own looks the host's name up, which may take long and helps nobody
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
