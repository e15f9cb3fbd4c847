"""HTTP to a gateway that closes, breaks and refuses connections: what is repeated, and what never."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gatecrash.client import GatewayUnreachable, Http, Sandbox
from tests.support.process import ServerProcess

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


class Peer:
    """A server that follows a script: for each connection, what to do with each request on it. b'' closes unanswered."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.closed = threading.Semaphore(0)
        self._script = connections
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for answers in self._script:
            connection, _ = self.listener.accept()
            with connection:
                for answer in answers:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        request += connection.recv(65536)
                    self.requests.append(request.partition(b"\r\n")[0])
                    connection.sendall(answer)
            self.closed.release()

    def done(self) -> None:
        self._thread.join(10)
        self.listener.close()
        assert not self._thread.is_alive(), self.requests


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(*connections: list[bytes]) -> Peer:
        peers.append(Peer(*connections))
        return peers[-1]

    yield start
    for one in peers:
        one.done()


def test_a_connection_is_kept_for_the_next_call(peer: Callable[..., Peer]) -> None:
    gateway = peer([ANSWER, ANSWER])
    http = Http(gateway.url)
    assert [http.request("GET", f"/{number}").body for number in (1, 2)] == [b"hi", b"hi"]


def test_a_connection_that_is_to_be_closed_is_not_kept(peer: Callable[..., Peer]) -> None:
    gateway = peer([CLOSING], [ANSWER])
    http = Http(gateway.url)
    assert [http.request("POST", f"/{number}").body for number in (1, 2)] == [b"hi", b"hi"]


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(peer: Callable[..., Peer]) -> None:
    gateway = peer([ANSWER], [ANSWER])
    http = Http(gateway.url)
    http.request("GET", "/1")
    assert gateway.closed.acquire(timeout=10)
    assert http.request("POST", "/2", b"{}").status == 200
    assert gateway.requests == [b"GET /1 HTTP/1.1", b"POST /2 HTTP/1.1"]


@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("DELETE", {}), ("POST", {"Idempotency-Key": "k"})])
def test_a_call_that_may_be_repeated_is_when_its_kept_connection_dies(
    peer: Callable[..., Peer], method: str, headers: dict[str, str]
) -> None:
    gateway = peer([ANSWER, b""], [ANSWER])
    http = Http(gateway.url)
    http.request("GET", "/1")
    assert http.request(method, "/2", b"{}", headers).status == 200
    assert len(gateway.requests) == 3


def test_a_call_that_may_not_be_repeated_never_is(peer: Callable[..., Peer]) -> None:
    gateway = peer([ANSWER, b""])
    http = Http(gateway.url, patience_s=30)
    http.request("GET", "/1")
    with pytest.raises(GatewayUnreachable, match="the connection broke before the answer was whole"):
        http.request("POST", "/2", b"{}")
    assert len(gateway.requests) == 2


def test_on_a_fresh_connection_nothing_is_repeated_without_patience(peer: Callable[..., Peer]) -> None:
    gateway = peer([b""])
    with pytest.raises(GatewayUnreachable):
        Http(gateway.url).request("GET", "/1")
    patient = peer([b""], [ANSWER[:-1]], [ANSWER])
    assert Http(patient.url, patience_s=30).request("GET", "/1").body == b"hi"


def test_patience_outlasts_a_gateway_that_is_on_its_way_up() -> None:
    reservation = socket.create_server(("127.0.0.1", 0))
    port = reservation.getsockname()[1]
    reservation.close()
    http = Http(f"http://127.0.0.1:{port}", patience_s=30)
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(http.request("POST", "/1", b"{}").body))
    asking.start()
    with socket.create_server(("127.0.0.1", port)) as listener:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(ANSWER)
            asking.join(10)
    assert answers == [b"hi"]


def test_nobody_there_says_where_and_what_to_do() -> None:
    reservation = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{reservation.getsockname()[1]}"
    reservation.close()
    with pytest.raises(GatewayUnreachable, match=rf"no gateway at {url}: .*refused.*gatecrash serve"):
        Sandbox(url, "me").charges()


def test_a_gateway_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        http = Http(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.05, patience_s=30)
        with pytest.raises(GatewayUnreachable, match=r"GET http.*/1: no answer within 0\.05 s"):
            http.request("GET", "/1")


def test_threads_share_a_handle(server: ServerProcess) -> None:
    sandbox = Sandbox(server.url, "threads")
    made: list[str] = []

    def work() -> None:
        made.extend(sandbox.charge()["id"] for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(charge["id"] for charge in sandbox.charges())
    sandbox.close()
