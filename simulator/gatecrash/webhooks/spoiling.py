"""Making webhooks that are not to be believed: secrets that are wrong, and bodies that are not what was signed."""

import copy
import re
import string
from collections.abc import Mapping
from hashlib import shake_128
from typing import Any

import msgspec

# where webhooks tell of money
_AMOUNTS = ("amount", "value", "total")
_LAST_LETTER = re.compile(rb"[0-9A-Za-z](?=[^0-9A-Za-z]*$)")
_HEXADECIMAL = ("0123456789abcdef", "0123456789ABCDEF")
_ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def wrong_secret(secret: str, seed: str) -> str:
    """Another secret of the same shape, prefix (`whsec_`) and all; the same one for the same seed."""
    prefix, mark, rest = secret.partition("_")
    if not mark:
        prefix, rest = "", secret
    draws = shake_128(f"{seed}:{secret}".encode()).digest(len(rest))
    alphabets = next(((digits,) for digits in _HEXADECIMAL if set(rest) <= set(digits)), _ALPHABETS)
    wrong = "".join(_other(char, draw, alphabets) for char, draw in zip(rest, draws, strict=True))
    return prefix + mark + wrong


def _other(char: str, draw: int, alphabets: tuple[str, ...]) -> str:
    """Another character of the same sort, never the same one."""
    for alphabet in alphabets:
        if char in alphabet:
            return alphabet[(alphabet.index(char) + 1 + draw % (len(alphabet) - 1)) % len(alphabet)]
    return char


def tampered(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """Another body: JSON stays JSON. `changes`: dotted path → value; none, and the first amount grows."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _LAST_LETTER.sub(lambda letter: b"1" if letter[0] == b"0" else b"0", body, count=1) or b"0"
    before = copy.deepcopy(told)
    for path, value in changes.items():
        _set(told, path.split("."), value)
    if not changes and not _change(told, _AMOUNTS) and not _change(told, ()):
        told = [told]
    if told == before:  # it said so already
        return body + b" "
    return msgspec.json.encode(told)


def _set(node: Any, path: list[str], value: Any) -> None:
    *above, last = path
    for name in above:
        if isinstance(node, list) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, dict):
            if not isinstance(node.get(name), dict | list):
                node[name] = {}
            node = node[name]
    if isinstance(node, list) and last.isdigit() and int(last) < len(node):
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value


def _change(node: Any, names: tuple[str, ...]) -> bool:
    """Change the first value with one of these names, wherever it stands; or, without names, the first there is."""
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for name, value in pairs:
        if not names or name in names:
            other = _otherwise(value)
            if other is not None:
                node[name] = other
                return True
    return any(_change(value, names) for _, value in pairs)


def _otherwise(value: Any) -> Any:
    """A little more of it; None if it is nothing that can grow."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str) and value[-1:].isdigit():
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    return None
