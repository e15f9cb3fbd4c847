"""Numbers of things, as every message has them: `1 fault`, `1,234 faults`."""


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 story`, `0 stories`; `things` is what several are called where that is not an s more."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
