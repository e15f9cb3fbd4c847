"""What must not reach a terminal: control characters and escape sequences in text that others wrote.

Ids, names, metadata and answers of receivers are foreign text. A control character is shown as its escape, such as \\x1b.
"""

import re
from typing import Any

# C0 but for tab and newline, DEL, C1; what reorders text or breaks lines without being seen (Unicode Cf and Zl, Zp)
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
# the colours that verbs themselves print stay
_NOT_OURS = re.compile(rf"\x1b\[[0-9;]*m|[{_CONTROL}]")
_ANY = re.compile(rf"[\t\n{_CONTROL}]")


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0][0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def clean(text: str) -> str:
    """A text of several lines, with colours, that does nothing else to a terminal."""
    return _NOT_OURS.sub(lambda found: found[0] if len(found[0]) > 1 else _shown(found), text)


def one_line(text: str) -> str:
    """Foreign text as part of a line: without colours, tabs and newlines too."""
    return _ANY.sub(_shown, text)


def json_text(text: str) -> str:
    """JSON whose strings hold control characters as \\uXXXX alone: the same values to whatever parses it."""
    return re.sub(f"[{_CONTROL}]", lambda found: f"\\u{ord(found[0]):04x}", text)


class CleanOutput:
    """A text stream that cleans what is written to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(clean(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
