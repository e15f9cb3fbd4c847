"""A webhook attempt, ready to send: what a dialect makes and the courier takes."""

from typing import NamedTuple


class Message(NamedTuple):
    headers: dict[str, str]
    body: bytes
