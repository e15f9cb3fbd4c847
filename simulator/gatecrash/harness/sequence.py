"""A run drawn as a sequence diagram: in text for a terminal, in SVG for a page."""

from collections.abc import Sequence
from html import escape

from gatecrash.harness.timeline import ACTORS, Message

_LANES = dict(zip(ACTORS, (4, 36, 74), strict=True))
_WIDTH = 79


def text(messages: Sequence[Message]) -> list[str]:
    """A line for each message, under the three names; 79 columns wide. In the margin stands which order it is about."""
    head = [" "] * _WIDTH
    for name, lane in _LANES.items():
        _put(head, max(lane - len(name) // 2, 0), name)
    return ["".join(head).rstrip(), *(_line(message) for message in messages)]


def _line(message: Message) -> str:
    row = [" "] * _WIDTH
    for lane in _LANES.values():
        row[lane] = "│"
    _put(row, 0, f"{message.order or '':>3}")
    start, end = _LANES[message.source], _LANES[message.target]
    if start == end:
        label = f" {_cut(_marked(message), _LANES['gateway'] - 4)} "
        # beside its lane, on the side that has room
        _put(row, start + 1 if start + len(label) + 1 < _WIDTH else max(start - len(label), 0), label)
        return "".join(row).rstrip()
    left, right = sorted((start, end))
    room = right - left - 5
    label = _cut(message.text, room)
    dash = "╌" if message.tone in ("answer", "broken") else "─"
    for column in range(left + 1, right):
        row[column] = dash
    tip = "✗" if message.tone == "broken" else ("▶" if end > start else "◀")
    row[right - 1 if end > start else left + 1] = tip
    middle = left + 2 + (right - left - 3 - len(label)) // 2
    _put(row, min(middle, right - 3 - len(label)), f" {label} ")  # the tip of the arrow stays
    return "".join(row).rstrip()


def _marked(message: Message) -> str:
    mark = {"fault": "⚡ ", "life": "✝ " if message.text == "killed" else "", "time": "⏲ "}.get(message.tone, "")
    return f"{mark}{message.text}"


def _cut(label: str, length: int) -> str:
    """A label that fits; a key at its end stays whole, since a verdict may turn on it."""
    if len(label) <= length:
        return label
    head, comma, key = label.rpartition(_KEY)
    if comma and len(comma + key) < length:
        return f"{head[: length - len(comma + key) - 1]}…{comma}{key}"
    return label[: length - 1] + "…"


#: What stands before the idempotency key of a call.
_KEY = ", key "


def _put(row: list[str], column: int, label: str) -> None:
    row[column : column + len(label)] = label
    del row[_WIDTH:]


_X = dict(zip(ACTORS, (90, 390, 760), strict=True))
_STEP = 30


def svg(messages: Sequence[Message]) -> str:
    """The same as one SVG element; its classes (`ask`, `answer`, `fault`, …) are coloured by the page."""
    height = 56 + _STEP * len(messages)
    parts = [
        f'<svg class="sequence" viewBox="0 0 860 {height}" role="img" aria-label="sequence diagram" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for name, x in _X.items():
        parts.append(f'<text class="actor" x="{x}" y="20">{name}</text><path class="lane" d="M{x} 30V{height - 8}"/>')
    for index, message in enumerate(messages):
        y = 56 + _STEP * index
        start, end = _X[message.source], _X[message.target]
        shown = f"⚡ {message.text}" if message.tone == "fault" else message.text  # the one sign that every font has
        label = escape(_cut(shown, 56))
        if message.order:
            parts.append(f'<text class="order" x="60" y="{y}">{message.order}</text>')
        if start == end:
            anchor, x = ("end", start - 12) if start == _X["gateway"] else ("start", start + 12)
            parts.append(f'<g class="{message.tone}"><circle cx="{start}" cy="{y - 4}" r="4.5"/>')
            parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{label}</text></g>')
            continue
        tip = 7 if end > start else -7
        line_end = end - 2 * tip if message.tone == "broken" else end - tip
        parts.append(f'<g class="{message.tone}"><path class="line" d="M{start} {y}H{line_end}"/>')
        if message.tone == "broken":
            parts.append(f'<path class="cross" d="M{line_end - 5} {y - 5}l10 10m0 -10l-10 10"/>')
        else:
            parts.append(f'<path class="tip" d="M{end} {y}l{-tip} -4v8z"/>')
        parts.append(f'<text x="{(start + end) / 2:g}" y="{y - 6}" text-anchor="middle">{label}</text></g>')
    return "".join([*parts, "</svg>"])
