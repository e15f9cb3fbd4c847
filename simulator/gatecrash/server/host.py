"""What the gateway takes from the machine it runs on: the time, randomness, and a way to die. A simulator gives others."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from gatecrash.faults.plane import Plane


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Host(NamedTuple):
    """`now`: real time in milliseconds. `crash(down_s)` never returns; None where nothing would start us again.

    `control_token`: what the control API wants to see; None where nobody but this machine can reach it. `connections_max`: at
    once, over all ports. `request_s`: how long a request's head, then its body, may take to arrive, and a large answer to be
    taken.
    """

    now: Callable[[], int] = wall_ms
    entropy: Callable[[int], bytes] = os.urandom
    crash: Callable[[float], None] | None = None
    vault_key: bytes = b""
    seed: str = "0"
    allow_hosts: frozenset[str] = frozenset()
    # trusted to certify https receivers, besides what the system trusts
    webhook_ca: str | None = None
    # new sandboxes note what their clients do wrong
    strict: bool = False
    control_token: str | None = None
    connections_max: int = 10_000
    request_s: float = 30.0
    # what breaks things in a sandbox
    plane: Callable[[], Plane] = Plane
